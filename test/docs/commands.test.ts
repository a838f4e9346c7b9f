import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { builtEntries, parse } from '../support/cli-entries.ts';
import { REPOSITORY, repositoryFiles, repositoryText } from '../support/repository.ts';

/** A command line found in a text, such as `atomic-nightly keys show --json`. */
interface Cited {
  readonly where: string;
  /** What follows the program's name. */
  readonly words: readonly string[];
}

let pages: ReadonlyMap<string, string>;
/** `--help` of each command by its name (`keys show`; the program's own is the empty name). */
const help = new Map<string, string>();

const entries = builtEntries().filter(({ hidden }) => hidden !== true);

/** Words that only begin the names of commands, with the program's own name. */
const groups = new Set(['', ...entries.flatMap(({ name, isGroup }) => (isGroup ? [name] : []))]);

/** Command lines in code: a fenced line with what follows it on the next after a backslash, or a span of text. */
function commandLines(where: string, text: string): readonly Cited[] {
  const fences = [...text.matchAll(/^ *```[^\n]*\n([\s\S]*?)^ *```/gm)].flatMap(([, body = '']) =>
    body.replace(/\\\n\s*/g, ' ').split('\n'),
  );
  const spans = [...text.replace(/^ *```[\s\S]*?^ *```/gm, '').matchAll(/`([^`]+)`/g)].map(([, span = '']) => span);
  return [...fences, ...spans].flatMap((line) => citedIn(where, line));
}

function citedIn(where: string, line: string): readonly Cited[] {
  const found = /(?:^|[\s("]|bin\/)atomic-nightly(?:\.js)?((?:\s+[^\s#|>;)"]\S*)+)/.exec(line.replace(/\s+/g, ' '));
  const [arguments_ = ''] = found?.[1]?.split(/ [#|>;]|\)|"$/) ?? [];
  const words = arguments_.trim().split(' ');
  // `cd atomic-nightly && …`, and names of units and files.
  return words[0] === undefined || !/^[a-z-]/.test(words[0]) ? [] : [{ where, words }];
}

/** What is wrong with a command line, by the help texts; nothing when it could be run. */
function fault({ where, words }: Cited): readonly string[] {
  const line = `${where}: atomic-nightly ${words.join(' ')}`;
  const rest = [...words];
  let name = '';
  const options: string[] = [];
  const globals = help.get('') ?? '';
  while (rest.length > 0) {
    const word = rest.shift() ?? '';
    if (word.startsWith('-') && !/^-\d/.test(word)) {
      const option = word.replace(/=.*/, '');
      options.push(option);
      const takesValue = new RegExp(`(?:^|[ ,])${option}(?:, --[\\w-]+)? <`, 'm').test(help.get(name) ?? globals);
      if (takesValue && !word.includes('=')) rest.shift();
    } else if (help.has(`${name} ${word}`.trim())) name = `${name} ${word}`.trim();
    else if (groups.has(name)) return [`${line}: there is no command "${word}"`];
  }
  const known = help.get(name) ?? '';
  return options
    .filter((option) => !new RegExp(`(?:^|[\\s,])${option}(?![\\w-])`, 'm').test(known))
    .map((option) => `${line}: "${name}" has no option ${option}`);
}

beforeAll(async () => {
  for (const name of ['', ...entries.map((entry) => entry.name)]) {
    help.set(name, (await parse(...name.split(' ').filter(Boolean), '--help')).printed);
  }
  const files = [...(await repositoryFiles(['docs'])), 'README.md', 'CONTRIBUTING.md'];
  const texts = files.filter((path) => path.endsWith('.md'));
  pages = new Map(await Promise.all(texts.map(async (path) => [path, await repositoryText(path)] as const)));
});

test('every command in README and docs exists, with the options it is shown with', () => {
  const cited = [...pages].flatMap(([path, text]) => commandLines(path, text));
  expect(cited.length).toBeGreaterThan(50);
  expect(cited.flatMap(fault)).toEqual([]);
});

test('a wrong command and a wrong option are found', () => {
  const found = commandLines('x', '```\nbin/atomic-nightly.js nightly --dryrun   # why\n```\n`atomic-nightly nights`');
  expect(found.flatMap(fault)).toEqual([
    'x: atomic-nightly nightly --dryrun: "nightly" has no option --dryrun',
    'x: atomic-nightly nights: there is no command "nights"',
  ]);
});

test('every command in the examples of --help exists, with these options', () => {
  const cited = [...help].flatMap(([name, text]) =>
    text
      .replace(/^Usage: .*/, '')
      .split('\n')
      .flatMap((line) => citedIn(`${name} --help`, line)),
  );
  expect(cited.length).toBeGreaterThan(40);
  expect(cited.flatMap(fault)).toEqual([]);
});

test('docs/commands.md has every command, and the options it names', () => {
  const page = pages.get('docs/commands.md') ?? '';
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  const inTable = rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`([a-z][a-z -]*[a-z])/g)].map(([, name = '']) => name),
  );
  const runnable = entries.flatMap(({ name, isGroup }) => (isGroup ? [] : [name]));
  expect(inTable.sort()).toEqual(runnable.sort());
  const faults = rows.flatMap((row) => {
    const name = /`([a-z][a-z -]*[a-z])/.exec(row)?.[1] ?? '';
    return [...row.matchAll(/--[a-z][\w-]*/g)].flatMap(([option]) =>
      fault({ where: 'table', words: [...name.split(' '), option] }),
    );
  });
  expect(faults).toEqual([]);
});

test('every npm script in README and docs exists', async () => {
  const { scripts } = JSON.parse(await repositoryText('package.json')) as { scripts: Record<string, string> };
  const unknown = [...pages].flatMap(([path, text]) =>
    [...text.matchAll(/\bnpm run ([\w:-]+)/g)].flatMap(([, name = '']) =>
      name in scripts ? [] : [`${path}: ${name}`],
    ),
  );
  expect(unknown).toEqual([]);
});

test('every link between pages leads to a page and a heading that exist', async () => {
  const headings = new Map(
    [...pages].map(([path, text]) => [
      path,
      [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
        title
          .toLowerCase()
          .replace(/[^\w\- ]/g, '')
          .replaceAll(' ', '-'),
      ),
    ]),
  );
  const others = new Set(await repositoryFiles(['docs']));
  const broken = [...pages].flatMap(([path, text]) =>
    [...text.matchAll(/\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].flatMap(([, to = '', heading]) => {
      const page = to === '' ? path : join(path, '..', to);
      const there = headings.has(page) || others.has(page);
      return there && (heading === undefined || headings.get(page)?.includes(heading))
        ? []
        : [`${path}: ${to}#${heading ?? ''}`];
    }),
  );
  expect(broken).toEqual([]);
});

test('README leads to every page of docs/', () => {
  const readme = pages.get('README.md') ?? '';
  expect([...pages.keys()].filter((path) => path.startsWith('docs/') && !readme.includes(`(${path}`))).toEqual([]);
});

test('every path of this repository that the pages name exists', () => {
  const missing = [...pages].flatMap(([path, text]) =>
    [...text.matchAll(/`((?:src|test|docs|scripts|systemd|jenkins|treefiles|[a-z]+-templates)\/[\w@./-]*)`/g)].flatMap(
      ([, named = '']) => (/[A-Z]{3}/.test(named) || existsSync(join(REPOSITORY, named)) ? [] : [`${path}: ${named}`]),
    ),
  );
  expect(missing).toEqual([]);
});
