import { appendFile, chmod, cp, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { splitPackages } from '../../src/treefile/package-lists.ts';
import { readTreefile } from '../../src/treefile/read.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { writeFiles } from './files.ts';

const name = fc.stringMatching(/^[a-z][a-z0-9]{0,3}$/);

/** A treefile of a tree of includes; the root is the top file. */
interface Node {
  readonly units: readonly string[];
  readonly packages: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly includes: readonly Node[];
}

/** Includes nested `depth` deep at most. */
function nodes(depth: number): fc.Arbitrary<Node> {
  return fc.record(
    {
      units: fc.array(name, { maxLength: 3 }),
      packages: fc.array(name, { maxLength: 3 }),
      metadata: fc.dictionary(name, name, { maxKeys: 3, noNullPrototype: true }),
      target: name,
      includes: depth === 0 ? fc.constant([]) : fc.array(nodes(depth - 1), { maxLength: 2 }),
    },
    { requiredKeys: ['units', 'packages', 'metadata', 'includes'] },
  );
}

/** Writes the files of a node and gives the name of its own. */
async function write(tree: Node, folder: string, path: string): Promise<string> {
  const includes = await Promise.all(tree.includes.map((child, index) => write(child, folder, `${path}${index}`)));
  const file = path.length % 2 === 0 ? `${path}.yaml` : `${path}.json`;
  const { units, packages, metadata, target } = tree;
  await writeFiles(
    {
      [file]: {
        units,
        packages,
        'add-commit-metadata': metadata,
        ...(target === undefined ? {} : { 'default-target': target }),
        include: includes,
      },
    },
    folder,
  );
  return file;
}

/** What rpm-ostree's documentation says of merging, in a few lines. */
const expectedUnits = (tree: Node): readonly string[] => [
  ...tree.includes.toReversed().flatMap(expectedUnits),
  ...tree.units,
];
const expectedPackages = (tree: Node): readonly string[] => [
  ...tree.packages,
  ...tree.includes.flatMap(expectedPackages),
];
const expectedTarget = (tree: Node): string | undefined =>
  tree.target ?? tree.includes.map(expectedTarget).find((target) => target !== undefined);
const expectedMetadata = (tree: Node): Record<string, string> =>
  Object.assign({}, ...tree.includes.map(expectedMetadata).reverse(), tree.metadata);

test('merge order: lists back to front, plain values and map keys from the first file that has them, sets united', async () => {
  const root = temporaryFolder();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(nodes(2), async (tree) => {
      const folder = join(root, String(run++));
      const top = await write(tree, folder, 't');
      const { values, origins } = await readTreefile(join(folder, top), { basearch: 'x86_64' });
      expect(values.units).toEqual(expectedUnits(tree));
      expect(values.packages).toEqual([...new Set(expectedPackages(tree))].sort((a, b) => (a < b ? -1 : 1)));
      expect(values['default-target']).toBe(expectedTarget(tree));
      expect(values['add-commit-metadata']).toEqual(expectedMetadata(tree));
      for (const entry of [
        ...(values.units ?? []).map((unit) => `units/${unit}`),
        ...(values.packages ?? []).map((one) => `packages/${one}`),
      ]) {
        expect(origins.get(entry)?.line).toBe(1);
      }
    }),
    { numRuns: 40 },
  );
});

test('old underscore names mean the same as the present ones, in JSON and in YAML', async () => {
  const root = temporaryFolder();
  const values = fc.record(
    {
      'gpg-key': name,
      'boot-location': fc.constantFrom('new', 'modules', 'kernel-install'),
      'default-target': name,
      'automatic-version-prefix': name,
    },
    { requiredKeys: [] },
  );
  let run = 0;
  await fc.assert(
    fc.asyncProperty(values, fc.array(name), fc.constantFrom('json', 'yaml'), async (present, packages, extension) => {
      const old = Object.fromEntries(Object.entries(present).map(([key, value]) => [key.replaceAll('-', '_'), value]));
      const folder = join(root, String(run++));
      await writeFiles(
        {
          [`new.${extension}`]: { ...present, packages },
          [`old.${extension}`]: { ...old, bootstrap_packages: packages },
        },
        folder,
      );
      const [one, other] = await Promise.all(
        ['new', 'old'].map((file) => readTreefile(join(folder, `${file}.${extension}`), { basearch: 'x86_64' })),
      );
      expect(other?.values).toEqual(one?.values);
      expect(other?.digest).toBe(one?.digest);
    }),
    { numRuns: 40 },
  );
});

test('package entries: what is joined with blanks and quotes comes apart again', () => {
  const place = { file: 'x' };
  const word = fc.stringMatching(/^[a-z0-9.+-]{1,8}$/);
  const query = fc.tuple(word, fc.constantFrom('>=', '<', '='), word).map((parts) => parts.join(' '));
  fc.assert(
    fc.property(fc.array(fc.oneof(word, query)), fc.constantFrom(' ', '  ', '\n', '\t '), (entries, gap) => {
      const written = entries.map((entry) => (entry.includes(' ') ? `'${entry}'` : entry)).join(gap);
      const faults: { place: typeof place; message: string }[] = [];
      expect(splitPackages(written, place, faults)).toEqual(entries);
      expect(splitPackages(`${written}'`, place, faults)).toEqual([]);
      expect(faults).toHaveLength(1);
    }),
  );
});

const PROJECT = {
  'top.yaml': `
include: base/base.yaml
repos: [one]
packages: [bash]
postprocess-script: post.sh
repovars: {extra: "1"}
`,
  'base/base.yaml': `
# A remark.
check-passwd: {type: file, filename: passwd}
check-groups: {type: file, filename: group}
add-files: [[motd, /usr/lib/motd], [motd2, /usr/lib/motd2]]
`,
  'base/passwd': 'root:x:0:0::/root:/bin/bash\n',
  'base/group': 'root:x:0:\n',
  'base/motd': 'one\n',
  'base/motd2': 'two\n',
  'base/finalize.d/10-x.sh': '#!/bin/sh\n',
  'post.sh': '#!/bin/sh\n',
  'one.repo': '[one]\n',
  'base/unused.repo': '[two]\n',
};

async function digest(folder: string): Promise<string> {
  return (await readTreefile(join(folder, 'top.yaml'), { basearch: 'x86_64' })).digest;
}

test('I10: the digest does not change when the folder moves, nor with remarks and layout of a treefile', async () => {
  const folder = await writeFiles(PROJECT);
  const before = await digest(folder);
  const elsewhere = join(temporaryFolder(), 'deep', 'er');
  await mkdir(join(elsewhere, '..'), { recursive: true });
  await cp(folder, elsewhere, { recursive: true });
  expect(await digest(elsewhere)).toBe(before);
  await appendFile(join(elsewhere, 'base/base.yaml'), '\n# Another remark.\n');
  await writeFiles(
    { 'top.yaml': `packages:\n  - bash\n${PROJECT['top.yaml'].replace('packages: [bash]\n', '')}` },
    elsewhere,
  );
  expect(await digest(elsewhere)).toBe(before);
});

test('the digest changes with the content of every file that matters, and with nothing else', async () => {
  const before = await digest(await writeFiles(PROJECT));
  const changes: readonly (readonly [string, string])[] = [
    ...['base/passwd', 'base/group', 'base/motd', 'base/motd2', 'base/finalize.d/10-x.sh', 'post.sh', 'one.repo'].map(
      (file) => [file, '# changed\n'] as const,
    ),
    ['top.yaml', 'units: [a.service]\n'],
    ['base/base.yaml', 'recommends: false\n'],
    ['two.repo', '[new]\n'],
  ];
  const seen = new Set([before]);
  for (const [file, text] of changes) {
    const folder = await writeFiles(PROJECT);
    await appendFile(join(folder, file), text);
    const after = await digest(folder);
    expect(seen.has(after), file).toBe(false);
    seen.add(after);
  }
  const folder = await writeFiles(PROJECT);
  await appendFile(join(folder, 'base/unused.repo'), '# changed\n');
  expect(await digest(folder)).toBe(before);
});

test('the digest changes when two added files swap their contents, or one its permissions', async () => {
  const folder = await writeFiles(PROJECT);
  const before = await digest(folder);
  await rename(join(folder, 'base/motd'), join(folder, 'base/tmp'));
  await rename(join(folder, 'base/motd2'), join(folder, 'base/motd'));
  await rename(join(folder, 'base/tmp'), join(folder, 'base/motd2'));
  const swapped = await digest(folder);
  expect(swapped).not.toBe(before);
  await chmod(join(folder, 'base/motd'), 0o600);
  expect(await digest(folder)).not.toBe(swapped);
});

test('repovars count although the JSON in the tree has not got them', async () => {
  const folder = await writeFiles(PROJECT);
  const before = await digest(folder);
  await writeFiles({ 'top.yaml': PROJECT['top.yaml'].replace('extra: "1"', 'extra: "2"') }, folder);
  expect(await digest(folder)).not.toBe(before);
});
