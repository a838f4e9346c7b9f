import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { checkKeys } from '../../../src/engines/rpm-ostree/keys-by-release.ts';
import { readTreefile } from '../../../src/treefile/read.ts';
import { writeFiles } from '../../treefile/files.ts';

/** What that release is told of a treefile; undefined when it can build it. */
async function refusal(text: string, version: string, name = 'host.yaml'): Promise<string | undefined> {
  const folder = await writeFiles({ [name]: text, 'other.yaml': '{}', 'third.yaml': '{}' });
  const treefile = await readTreefile(join(folder, name), { basearch: 'x86_64' });
  try {
    checkKeys(treefile, { command: ['rpm-ostree'], version, options: new Set() });
    return undefined;
  } catch (error) {
    expect(error).toMatchObject({ code: 'unsupported', hint: expect.stringMatching(/\.$/) });
    return error instanceof Error ? error.message.replaceAll(`${folder}/`, '').split('\n').slice(1).join('\n') : '';
  }
}

/** Text, the first release that takes it, what those before are told. */
const FIRST: readonly (readonly [text: string, since: string, before: string, message: string])[] = [
  [
    'rpmdb: target',
    '2021.9',
    '2021.7',
    'host.yaml:1:8: the value "target" of "rpmdb" needs rpm-ostree 2021.9; write "sqlite"',
  ],
  ['rpmdb: host', '2021.9', '2020.8', 'host.yaml:1:8: the value "host" of "rpmdb" needs rpm-ostree 2021.9'],
  ['rpmdb: bdb', '2021.5', '2021.4', 'needs rpm-ostree 2021.5; write "b-d-b" instead'],
  ['rpmdb: ndb', '2021.5', '2020.5', 'needs rpm-ostree 2021.5; write "n-d-b" instead'],
  ['rpmdb: sqlite', '2020.5', '2020.4', 'host.yaml:1:1: "rpmdb" needs rpm-ostree 2020.5'],
  ['rpmdb: b-d-b', '2021.7', '2021.6', 'the value "b-d-b" of "rpmdb" needs rpm-ostree 2021.7; write "bdb" instead'],
  [
    'boot-location: kernel-install',
    '2025.1',
    '2024.9',
    'host.yaml:1:16: the value "kernel-install" of "boot-location" needs rpm-ostree 2025.1',
  ],
  [
    'boot_location: modules',
    '2019.3',
    '2019.2',
    'host.yaml:1:16: the value "modules" of "boot_location" needs rpm-ostree 2019.3',
  ],
  [
    'boot-location: new',
    '2019.3',
    '2019.2',
    '"boot-location" is spelled with underscores before rpm-ostree 2019.3; write "boot_location" instead',
  ],
  [
    'releasever: 9',
    '2022.3',
    '2022.2',
    'host.yaml:1:13: "releasever" as a number needs rpm-ostree 2022.3; write it in quotes: "9"',
  ],
  ['include: [other.yaml]', '2019.5', '2019.4', 'a list of files in "include" needs rpm-ostree 2019.5'],
  ['arch-include: {x86_64: other.yaml}', '2019.6', '2019.5', '"arch-include" needs rpm-ostree 2019.6'],
  [
    'variables: {a: true}\nconditional-include: [{if: a == true, include: other.yaml}]',
    '2022.3',
    '2022.2',
    'host.yaml:2:1: "conditional-include" needs rpm-ostree 2022.3',
  ],
  [
    'variables: {a: true}\nconditional-include: [{if: a == true, include: {packages: [x]}}]',
    '2025.8',
    '2025.7',
    'written out in "conditional-include" needs rpm-ostree 2025.8',
  ],
  ['sysusers: compose-forced', '2025.9', '2025.8', '"sysusers" needs rpm-ostree 2025.9'],
  ['container: true', '2018.10', '2018.9', '"container" needs rpm-ostree 2018.10'],
];

test.each(FIRST)('%s: from rpm-ostree %s on', async (text, since, before, message) => {
  // What fails for another reason in those releases is not what this is about.
  const quiet = `${text}\npreserve-passwd: false\n`;
  expect(await refusal(quiet, since)).toBeUndefined();
  expect(await refusal(quiet, '2026.2')).toBeUndefined();
  expect(await refusal(quiet, before)).toContain(message);
});

test('a spelling of rpmdb that later releases dropped again', async () => {
  const old = 'rpmdb: n-d-b\npreserve-passwd: false\n';
  expect(await refusal(old, '2021.4')).toBeUndefined();
  expect(await refusal(old, '2021.5')).toBe(
    'host.yaml:1:8: rpm-ostree 2021.5 dropped the value "n-d-b" of "rpmdb"; write "ndb" instead',
  );
  expect(await refusal('rpmdb: b-d-b\npreserve-passwd: false\n', '2020.8')).toBeUndefined();
});

test('what an included file says is refused at its place', async () => {
  const folder = await writeFiles({ 'top.yaml': 'include: base.yaml', 'base.yaml': 'ref: x\nrpmdb: host\n' });
  const treefile = await readTreefile(join(folder, 'top.yaml'), { basearch: 'x86_64' });
  expect(() => checkKeys(treefile, { command: ['rpm-ostree'], version: '2021.2', options: new Set() })).toThrow(
    `${folder}/base.yaml:2:8: the value "host"`,
  );
});

test.each(['2018.10', '2020.8', '2021.1'])(
  '%s fails on its second night with preserve-passwd: refused before the first',
  async (version) => {
    const says =
      'fail on the second build while "preserve-passwd" is true, its default; write "preserve-passwd: false"';
    const yaml = 'ref: x\ncheck-passwd: {type: none}\n';
    expect(await refusal(yaml, version)).toBe(
      `host.yaml:2:1: rpm-ostree 2018.10 to 2021.1 ${says} (or check-passwd and check-groups of type "file") instead`,
    );
    expect(await refusal(`${yaml}preserve-passwd: true\n`, version)).toMatch(/^host\.yaml:3:1: /);
    expect(await refusal('ref: x\n', version)).toMatch(/^host\.yaml: /);
    expect(await refusal('ref: x\npreserve-passwd: false\n', version)).toBeUndefined();
    expect(await refusal('container: true\n', version)).toBeUndefined();
  },
);

test.each(['2018.9', '2021.2', '2026.2'])('%s keeps ids without a fault', async (version) => {
  expect(await refusal('ref: x\n', version)).toBeUndefined();
});

test("the lab's treefile: rpm-ostree 2020.8 is told exactly what to write, and takes it", async () => {
  const path = fileURLToPath(new URL('../../../treefiles/lab-atomic-host.yaml', import.meta.url));
  const treefile = await readTreefile(path, { basearch: 'x86_64' });
  const check = (version: string, preserved: boolean) => {
    const values = preserved ? treefile.values : { ...treefile.values, 'preserve-passwd': false };
    checkKeys({ ...treefile, values }, { command: ['rpm-ostree'], version, options: new Set() });
  };
  expect(() => check('2020.8', true)).toThrow('write "preserve-passwd: false"');
  expect(() => check('2020.8', false)).not.toThrow();
  expect(() => check('2026.2', true)).not.toThrow();
});
