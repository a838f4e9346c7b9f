import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { imageTypes } from '../../src/config/image-types.ts';
import { templateFile } from '../../src/images/template/image-template.ts';
import { loadImageTemplate } from '../../src/images/template/load-template.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { VALUES } from './synthetic-tree.ts';

/** Writes a project's own image types and gives the folder they are in. */
async function own(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = temporaryFolder();
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return folder;
}

const faults = async (files: Readonly<Record<string, string>>, type: string): Promise<string> => {
  const folder = await own(files);
  const error = await loadImageTemplate(type, folder, VALUES).catch((caught) => caught);
  const place = error.place ? `${error.place.file}:${error.place.line}:${error.place.column}: ` : '';
  return `${place}${error.message}`.replaceAll(folder, 'OWN');
};

test('every shipped type is sound and names its files as CentOS does', async () => {
  const types = imageTypes(undefined);
  expect(types).toEqual(['generic-cloud', 'iso', 'vagrant-libvirt', 'vagrant-virtualbox']);
  const loaded = await Promise.all(types.map((type) => loadImageTemplate(type, undefined, VALUES)));
  expect(loaded.map((template) => template['file-name'])).toEqual([
    'synthetic-20260921_01-GenericCloud.qcow2',
    'synthetic-20260921_01-installer.iso',
    'synthetic-20260921_01-Vagrant-Libvirt.box',
    'synthetic-20260921_01-Vagrant-VirtualBox.box',
  ]);
});

test('a folder with an image.yaml is a type; what it extends fills in the rest', async () => {
  const folder = await own({
    'edge/image.yaml': `extends: generic-cloud
description: for boxes at the {{stream}} edge
file-name: "edge-{{version}}.qcow2"
disk: {size: 4 GiB, root-filesystem: xfs}
files:
  - {path: /etc/motd, source: motd.hbs}
`,
    'edge/motd.hbs': 'This is {{ref}}.\n',
  });
  const template = await loadImageTemplate('edge', folder, VALUES);
  expect(template).toMatchObject({
    name: 'edge',
    format: 'qcow2',
    description: 'for boxes at the nightly edge',
    'file-name': 'edge-20260921_01.qcow2',
    disk: { size: '4 GiB', 'root-filesystem': 'xfs', boot: '1024 MiB' },
    'kernel-arguments': ['console=tty0', 'console=ttyS0,115200n8'],
  });
  expect((await templateFile(template, 'motd.hbs', VALUES)).toString()).toBe('This is synthetic/1/x86_64.\n');
});

test("a project's own variant may have the name of the type it extends", async () => {
  const folder = await own({ 'generic-cloud/image.yaml': 'extends: generic-cloud\ndisk: {size: 20 GiB}\n' });
  expect(await loadImageTemplate('generic-cloud', folder, VALUES)).toMatchObject({
    format: 'qcow2',
    disk: { size: '20 GiB' },
  });
});

test('the digest follows every file of the type and of those it extends, and nothing else', async () => {
  const files = { 'a/image.yaml': 'extends: generic-cloud\n', 'a/x.hbs': 'one' };
  const digest = async (changed: Readonly<Record<string, string>>, version = VALUES.version) =>
    (await loadImageTemplate('a', await own({ ...files, ...changed }), { ...VALUES, version })).digest;
  const first = await digest({});
  expect(await digest({})).toBe(first);
  expect(await digest({}, '20260922_01')).toBe(first);
  expect(await digest({ 'a/x.hbs': 'two' })).not.toBe(first);
  expect(await digest({ 'a/more': '' })).not.toBe(first);
});

test('every fault of an image.yaml is told with its line and column', async () => {
  const text = `extends: generic-cloud
disk:
  size: 10GB
  root-filesystem: btrfs
files:
  - {path: /usr/lib/x, content: x}
  - {path: /etc/../usr/x, content: x}
  - {path: /etc/y}
kernel-argument: [quiet]
users: [{name: Root}]
`;
  expect((await faults({ 'bad/image.yaml': text }, 'bad')).split('\n')).toEqual([
    'OWN/bad/image.yaml has 7 faults:',
    'OWN/bad/image.yaml:3:9: disk.size: "10GB" must be a whole number of MiB or GiB, as in 10 GiB.',
    'OWN/bad/image.yaml:4:20: disk.root-filesystem: expected ext4 or xfs, found "btrfs".',
    'OWN/bad/image.yaml:6:12: files.0.path: "/usr/lib/x" must be an absolute path of a file below /etc, /var or /boot.',
    'OWN/bad/image.yaml:7:12: files.1.path: must not hold "." or "..".',
    'OWN/bad/image.yaml:8:5: files.2: needs either "content" or "source".',
    'OWN/bad/image.yaml:9:1: unknown key "kernel-argument". Did you mean "kernel-arguments"?',
    expect.stringMatching(/^OWN\/bad\/image\.yaml:10:16: users\.0\.name: "Root" must be a user name/),
  ]);
});

test('a value that is not there, a broken template and a circle are refused with their place', async () => {
  expect(await faults({ 'bad/image.yaml': '\n\ndescription: "{{verson}}"\n' }, 'bad')).toBe(
    'OWN/bad/image.yaml:3:17: A template cannot be filled in: there is no value "verson".',
  );
  expect(await faults({ 'bad/image.yaml': 'description: x\nformat: "{{#if}"\n' }, 'bad')).toMatch(
    /^OWN\/bad\/image\.yaml:2:undefined: A template cannot be filled in: Parse error/,
  );
  const circle = { 'a/image.yaml': 'extends: b\n', 'b/image.yaml': 'extends: a\n' };
  expect(await faults(circle, 'a')).toBe('Image types extend each other in a circle: a.');
  expect(await faults({ 'bad/image.yaml': 'description: x\nformat: qcow2\n' }, 'bad')).toContain(
    '"file-name" is missing',
  );
});
