import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { REPOSITORY, repositoryFiles, repositoryText } from '../support/repository.ts';

interface Section {
  readonly title: string;
  /** Text after `Why:`, `Enforced in:` and `Tests:`, each up to the next item of the list. */
  readonly why: string;
  readonly enforcedIn: string;
  readonly tests: string;
}

let sections: readonly Section[];
let files: readonly string[];
let sources: ReadonlyMap<string, string>;

/** The item of a list that begins with a word, with its further lines. */
function item(text: string, word: string): string {
  return new RegExp(`^- ${word}:([^]*?)(?=^- |^#|(?![^]))`, 'm').exec(text)?.[1]?.trim() ?? '';
}

function numbersCited(folder: string): ReadonlySet<string> {
  const numbers = [...sources].flatMap(([path, text]) =>
    path.startsWith(folder) ? [...text.matchAll(/\bI(?:1[0-9]|[1-9])\b/g)].map(([number]) => number) : [],
  );
  return new Set(numbers);
}

beforeAll(async () => {
  const text = await repositoryText('docs/invariants.md');
  sections = text
    .split(/^### /m)
    .slice(1)
    .map((part) => ({
      title: part.slice(0, part.indexOf('\n')),
      why: item(part, 'Why'),
      enforcedIn: item(part, 'Enforced in'),
      tests: item(part, 'Tests'),
    }));
  files = await repositoryFiles(['src', 'test', 'scripts', 'systemd', 'jenkins']);
  const programs = files.filter(
    (path) => /^(?:src|test)\/.*\.(?:ts|py|sh)$/.test(path) && !path.startsWith('test/docs/'),
  );
  sources = new Map(await Promise.all(programs.map(async (path) => [path, await repositoryText(path)] as const)));
});

/** Titles such as `I4. A kill loses nothing`. */
const invariants = () => sections.filter(({ title }) => /^I\d+\. /.test(title));
const numbers = () => invariants().map(({ title }) => title.slice(0, title.indexOf('.')));

describe('docs/invariants.md', () => {
  test('invariants are numbered in a row, and each has a reason, a place and a test', () => {
    expect(numbers()).toEqual(invariants().map((_, index) => `I${index + 1}`));
    expect(numbers().length).toBeGreaterThanOrEqual(16);
    for (const section of invariants()) {
      expect(section.why, section.title).not.toBe('');
      expect(section.enforcedIn, section.title).toMatch(/`src\//);
      expect(section.tests, section.title).toMatch(/`test\//);
    }
  });

  test('every rule follows from an invariant, and names a test for what it enforces', () => {
    const rules = sections.filter((section) => !invariants().includes(section));
    for (const { title, enforcedIn, tests } of rules) {
      expect(numbers(), title).toContain(/\((I\d+)\)$/.exec(title)?.[1]);
      if (enforcedIn !== '') expect(tests, title).not.toBe('');
    }
  });

  test.each(['src', 'test'])('%s cites every invariant, and none that is not here', (folder) => {
    const cited = numbersCited(`${folder}/`);
    expect(numbers().filter((number) => !cited.has(number))).toEqual([]);
    expect([...cited].filter((number) => !numbers().includes(number))).toEqual([]);
  });

  test('every file and folder named as a place or a test exists', () => {
    const names = new Set(files.map((path) => basename(path)));
    const missing = sections.flatMap(({ title, enforcedIn, tests }) =>
      [...`${enforcedIn}\n${tests}`.matchAll(/`([\w@./-]+)`/g)]
        .map(([, path = '']) => path)
        .filter((path) => /\/|\.(?:ts|py|sh|md|json|mjs)$/.test(path) && !path.startsWith('/'))
        .filter((path) => !existsSync(join(REPOSITORY, path)) && (path.includes('/') || !names.has(path)))
        .map((path) => `${title}: ${path}`),
    );
    expect(missing).toEqual([]);
  });

  test('every test named by its title exists', () => {
    const all = [...sources].filter(([path]) => path.startsWith('test/')).map(([, text]) => text);
    const missing = sections.flatMap(({ title, tests }) =>
      [...tests.matchAll(/"([^"]+)"/g)]
        .map(([, name = '']) => name)
        .filter((name) => {
          // In the page a title is wrapped, and a part of it that varies is written as an ellipsis.
          const parts = name.replace(/\s+/g, ' ').split(/ ?… ?/);
          return !all.some((text) => parts.every((part) => text.includes(part)));
        })
        .map((name) => `${title}: ${name}`),
    );
    expect(missing).toEqual([]);
  });
});
