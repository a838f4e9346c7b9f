import { copyFile, open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { packVirtualBoxBox } from '../../../src/images/vagrant/virtualbox.ts';
import { finishStream } from '../../../src/images/vagrant/vmdk.ts';
import { run } from '../../../src/programs/exec.ts';
import { convertImage, imageInfo } from '../../../src/programs/qemu-img.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';
import { boxRequest, listBox, MIB, makeDisk, tarMagic, unpackBox } from './boxes.ts';
import { readStream } from './vmdk-stream.ts';

const GRAMMAR = fileURLToPath(new URL('ovf.rng', import.meta.url));
const DISK = 'box-disk001.vmdk';

/** A box of a 64 MiB disk, unpacked. */
async function packed(folder: string, name = 'lab-atomic-host') {
  const raw = await makeDisk(join(folder, 'disk.raw'), 64 * MIB);
  const request = boxRequest('vagrant-virtualbox', folder, raw, { name });
  await packVirtualBoxBox(request, testTask(folder));
  return { raw, box: request.output, unpacked: await unpackBox(request.output) };
}

/** The value of an XPath expression; names in it are matched by `local-name()`, written `*:Name`. */
async function xpath(file: string, path: string): Promise<string> {
  const expression = path.replace(/\*:(\w+)/g, "*[local-name()='$1']").replace(/@(\w+)/g, "@*[local-name()='$1']");
  return (await run('xmllint', ['--xpath', `string(${expression})`, file])).stdout.trimEnd();
}

test('a VirtualBox box is a ustar tar that begins with box.ovf', async () => {
  const { box } = await packed(temporaryFolder());
  const members = await listBox(box);
  expect(members.map((line) => line.split(' ').at(-1))).toEqual(['box.ovf', DISK, 'Vagrantfile', 'metadata.json']);
  for (const line of members) expect(line).toMatch(/^-rw-r--r-- 0\/0 \d+ 2026-09-21 /);
  expect(tarMagic(await readFile(box))).toBe('ustar\x0000');
});

test('the OVF is valid and describes the disk that is in the box', async () => {
  const { raw, unpacked } = await packed(temporaryFolder());
  const ovf = join(unpacked, 'box.ovf');
  await run('xmllint', ['--noout', '--relaxng', GRAMMAR, ovf]);
  expect(await xpath(ovf, '//*:File/@href')).toBe(DISK);
  expect(await xpath(ovf, '//*:File/@size')).toBe(String((await stat(join(unpacked, DISK))).size));
  expect(await xpath(ovf, '//*:Disk/@capacity')).toBe(String(64 * MIB));
  expect(await xpath(ovf, '//*:Disk/@fileRef')).toBe(await xpath(ovf, '//*:File/@id'));
  expect(await xpath(ovf, '//*:HostResource')).toBe(`ovf:/disk/${await xpath(ovf, '//*:Disk/@diskId')}`);
  expect(await xpath(ovf, "//*:Item[*:ResourceType='3']/*:VirtualQuantity")).toBe('2');
  expect(await xpath(ovf, "//*:Item[*:ResourceType='4']/*:VirtualQuantity")).toBe('1536');
  const controller = await xpath(ovf, "//*:Item[*:ResourceType='17']/*:Parent");
  expect(await xpath(ovf, `//*:Item[*:InstanceID='${controller}']/*:ResourceSubType`)).toBe('AHCI');
  // VirtualBox refuses an attachment in its own section to a disk that the OVF does not have.
  expect(await xpath(ovf, '//*:Image/@uuid')).toBe(`{${await xpath(ovf, '//*:Disk/@uuid')}}`);
  expect(await imageInfo(join(unpacked, DISK), testTask(unpacked))).toEqual({ format: 'vmdk', virtualSize: 64 * MIB });
  await run('qemu-img', ['compare', '-f', 'raw', '-F', 'vmdk', raw, join(unpacked, DISK)]);
});

test('the grammar refuses what OVF does not allow', async () => {
  const { unpacked } = await packed(temporaryFolder());
  const ovf = join(unpacked, 'box.ovf');
  const text = await readFile(ovf, 'utf8');
  for (const wrong of [
    text.replace(/ ovf:capacity="\d+"/, ''),
    text.replace(/<rasd:InstanceID>3<\/rasd:InstanceID>/, ''),
    text.replace(/(<rasd:ElementName>Disk.*)\n(.*<rasd:HostResource>.*)\n/, '$2\n$1\n'),
  ]) {
    expect(wrong).not.toBe(text);
    await writeFile(ovf, wrong);
    await expect(run('xmllint', ['--noout', '--relaxng', GRAMMAR, ovf])).rejects.toThrow(/fails to validate/);
  }
});

test('Vagrantfile and OVF have the same hardware address, in the range of VirtualBox', async () => {
  const { unpacked } = await packed(temporaryFolder());
  const [, mac = ''] = /base_mac = "(.*)"/.exec(await readFile(join(unpacked, 'Vagrantfile'), 'utf8')) ?? [];
  expect(mac).toMatch(/^080027[0-9A-F]{6}$/);
  expect(await xpath(join(unpacked, 'box.ovf'), '//*:Adapter/@MACAddress')).toBe(mac);
  const metadata: unknown = JSON.parse(await readFile(join(unpacked, 'metadata.json'), 'utf8'));
  expect(metadata).toEqual({ provider: 'virtualbox' });
});

test('a name that XML has signs for stays what it is', async () => {
  const name = 'R&D <"host">';
  const { unpacked } = await packed(temporaryFolder(), name);
  expect(await xpath(join(unpacked, 'box.ovf'), '//*:VirtualSystem/@id')).toBe(name);
});

test('I10: the same disk gives the same VirtualBox box', async () => {
  const folder = temporaryFolder();
  const raw = await makeDisk(join(folder, 'disk.raw'), 64 * MIB);
  const [first, second] = [join(folder, 'first.box'), join(folder, 'second.box')];
  await packVirtualBoxBox(boxRequest('vagrant-virtualbox', folder, raw, { output: first }), testTask(folder));
  await packVirtualBoxBox(
    boxRequest('vagrant-virtualbox', folder, raw, { output: second, scratchDir: join(folder, 'b') }),
    testTask(folder),
  );
  expect((await readFile(first)).equals(await readFile(second))).toBe(true);
});

test('the disk can be read in one pass, each part once and in order', async () => {
  const { raw, unpacked } = await packed(temporaryFolder());
  const grains = readStream(await readFile(join(unpacked, DISK)));
  const disk = Buffer.alloc(64 * MIB);
  for (const { sector, data } of grains) data.copy(disk, sector * 512);
  expect(disk.equals(await readFile(raw))).toBe(true);
  const sectors = grains.map(({ sector }) => sector);
  expect(sectors).toEqual([...new Set(sectors)].sort((a, b) => a - b));
});

test('a content id of any length is replaced, and the stream gets its end', async () => {
  const folder = temporaryFolder();
  const raw = await makeDisk(join(folder, 'disk.raw'), 16 * MIB);
  const target = join(folder, 'disk.vmdk');
  await convertImage({ source: raw, sourceFormat: 'raw', target, targetFormat: 'vmdk-stream' }, testTask(folder));
  const before = (await stat(target)).size;
  // qemu-img prints the id without leading zeros: once in 16 images it has seven digits.
  const short = join(folder, 'short.vmdk');
  await copyFile(target, short);
  const bytes = await readFile(short);
  const at = bytes.indexOf('CID=');
  const line = /CID=[0-9a-f]+\n/.exec(bytes.toString('latin1', at, at + 20))?.[0] ?? '';
  bytes.copy(bytes, at + 'CID=1\n'.length, at + line.length, 2 * 512);
  bytes.write('CID=1\n', at, 'latin1');
  await writeFile(short, bytes);

  await finishStream(target, '0000abcd');
  await finishStream(short, '0000abcd');
  const finished = await readFile(target);
  expect(finished.toString('latin1', 512, 2048)).toMatch(/^CID=0000abcd\nparentCID=ffffffff$/m);
  expect(finished.subarray(before)).toEqual(Buffer.alloc(512));
  expect(finished.equals(await readFile(short))).toBe(true);
  await run('qemu-img', ['compare', '-f', 'raw', '-F', 'vmdk', raw, target]);
});

test('a file that is no such VMDK is refused', async () => {
  const folder = temporaryFolder();
  const path = await makeDisk(join(folder, 'disk.raw'), 16 * MIB);
  await expect(finishStream(path, '0000abcd')).rejects.toMatchObject({ code: 'image' });
  const file = await open(path);
  expect((await file.stat()).size).toBe(16 * MIB);
  await file.close();
});
