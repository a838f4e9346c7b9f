import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Fault } from '../../src/base/errors.ts';
import { NightlyError } from '../../src/base/errors.ts';
import { parseConfig } from '../../src/config/load.ts';
import { parseProvenanceReport } from '../../src/engines/folder/provenance-report.ts';
import { loadImageTemplate } from '../../src/images/template/load-template.ts';
import { readTreefile } from '../../src/treefile/read.ts';
import { parseTreefileText } from '../../src/treefile/treefile-document.ts';
import { fuzz, fuzzAsync, mutatedText } from '../support/fuzz.ts';
import { sharedFolder } from '../support/tmp.ts';

const dir = sharedFolder();

/** Aliases of aliases, and what parsers that call themselves do not like. */
const NASTY_YAML = [
  `a: &a [x,x,x,x,x,x,x,x]\n${'bcdefghi'.replace(/./g, (k, at) => `${k}: &${k} [${`*${'abcdefgh'[at]},`.repeat(8)}]\n`)}packages: *i\n`,
  'a: &a [*a]\n',
  'a: &a {b: *a}\n',
  '? [a, b]\n: c\n',
  '!!binary "x": !!set {a}\n',
  '<<: {packages: [a]}\n',
  '--- \na: 1\n---\nb: 2\n',
  '%YAML 1.1\n---\npackages: [yes, 0o17, 1_000, .inf]\n',
  `${'- '.repeat(20_000)}x\n`,
  '['.repeat(20_000),
  `a0: &a0 [x]\n${Array.from({ length: 3000 }, (_, at) => `a${at + 1}: &a${at + 1} [*a${at}]\n`).join('')}`,
  `a: ${'{b: '.repeat(20_000)}`,
];

/** These take a parser a hundred times as long. */
const FEW = { runs: Math.ceil(Number(process.env['FUZZ_RUNS'] ?? 2000) / 100) };

const YAML = `ref: mini/\${basearch}/host
variables: {x: 1}
repos: [base, updates]
packages: [kernel, 'a b', app]
packages-x86_64: [grub2]
exclude-packages: [bad]
repo-packages: [{repo: base, packages: [x]}]
include: [other.yaml]
conditional-include: [{if: x == 1, include: more.yaml}]
postprocess:
  - |
    #!/bin/sh
    echo \${x}
remove-from-packages: [[a, /usr/share/.*]]
check-passwd: {type: data, entries: {root: 0}}
automatic-version-prefix: 9
boot-location: modules
rpmdb: sqlite
`;

const JSON_TREEFILE = JSON.stringify({
  ...{ ref: 'a/b', repos: ['base'], packages: ['a', 'b'], 'comment-x': 'y', 'packages-aarch64': ['c'] },
  ...{ 'add-files': [['a', '/usr/b']], units: ['a.service'], 'etc-group-members': ['wheel'], selinux: false },
});

/** What is refused says in which file, and where. */
const expectPlaced = (faults: readonly Fault[], file: string): void => {
  for (const { place, message } of faults) {
    expect(place.file).toBe(file);
    expect(message).not.toMatch(/undefined|\[object|TypeError|Cannot read/);
  }
};

describe('treefiles', () => {
  it.each([
    ['host.yaml', YAML],
    ['host.json', JSON_TREEFILE],
  ])('%s is read, or each fault has a place', (name, sample) => {
    const read = (text: string) => {
      const faults: Fault[] = [];
      const root = parseTreefileText(name, text, faults);
      expect(root !== undefined || faults.length > 0).toBe(true);
      expectPlaced(faults, name);
    };
    fuzz(mutatedText([sample]), read);
    fuzz(mutatedText(NASTY_YAML), read, FEW);
  });

  it.each([
    ['yaml', YAML],
    ['json', JSON_TREEFILE],
  ])('as a whole, with what they include: %s', async (kind, sample) => {
    const folder = join(dir, kind);
    mkdirSync(folder);
    const path = join(folder, `host.${kind}`);
    writeFileSync(join(folder, 'other.yaml'), 'packages: [x]\n');
    writeFileSync(join(folder, 'more.yaml'), 'packages: [y]\n');
    writeFileSync(join(folder, 'a'), 'content\n');
    const read = async (text: string) => {
      writeFileSync(path, text);
      try {
        return await readTreefile(path, { basearch: 'x86_64' });
      } catch (error) {
        if (error instanceof NightlyError)
          expect([error.code, error.message + JSON.stringify(error.place ?? '')]).toEqual([
            expect.stringMatching(/^(treefile|unsupported|permission)$/),
            expect.stringContaining(kind),
          ]);
        throw error;
      }
    };
    await fuzzAsync(mutatedText([sample]), read);
    await fuzzAsync(mutatedText(NASTY_YAML), read, FEW);
  });
});

describe('what people write for this program', () => {
  const configs = ['examples/buildstream', 'examples/debootstrap', 'test/config/golden'].map((folder) =>
    readFileSync(
      new URL(`../../${folder}/${folder.endsWith('golden') ? 'everything' : 'atomic-nightly'}.yaml`, import.meta.url),
      'utf8',
    ),
  );

  it('configurations', () => {
    const read = (text: string) => {
      try {
        return parseConfig(text, '/x/atomic-nightly.yaml', { rules: false });
      } catch (error) {
        if (error instanceof NightlyError) expect(error.message).toContain('atomic-nightly.yaml');
        throw error;
      }
    };
    // Its schemas are made for the folder of each file.
    fuzz(mutatedText(configs), read, { runs: Math.ceil(Number(process.env['FUZZ_RUNS'] ?? 2000) / 10) });
    fuzz(mutatedText(NASTY_YAML), read, FEW);
  });

  it('types of images', async () => {
    const folder = join(dir, 'types');
    mkdirSync(join(folder, 'mine'), { recursive: true });
    const path = join(folder, 'mine/image.yaml');
    const sample = 'extends: generic-cloud\ndisk: {size: 1 GiB, boot: 128 MiB}\nfiles: []\nusers: []\n';
    const read = async (text: string) => {
      writeFileSync(path, text);
      return loadImageTemplate('mine', folder, {
        ...{ name: 'n', stream: 's', ref: 'a/b', arch: 'x86_64', build: '20261121_01', version: '1' },
      } as never);
    };
    await fuzzAsync(mutatedText([sample]), read);
    await fuzzAsync(mutatedText(NASTY_YAML), read, FEW);
  });

  it('what a command reports of its tree', () => {
    const report = `components:
  - {name: a, version: '1', kind: deb, key: k, licence: MIT, sources: [{kind: git, url: https://x, commit: c}]}
  - {name: b, sources: [{kind: tar, digest: 'sha256:0'}]}
`;
    const read = (text: string) => parseProvenanceReport(text, 'report.json');
    fuzz(mutatedText(NASTY_YAML), read, FEW);
    fuzz(mutatedText([report]), read, {
      check: ({ components }) => {
        for (const { name } of components) expect(name).toMatch(/^[^\n\0]+$/);
      },
    });
  });
});
