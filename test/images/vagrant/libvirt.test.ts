import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { packLibvirtBox } from '../../../src/images/vagrant/libvirt.ts';
import { run } from '../../../src/programs/exec.ts';
import { imageInfo } from '../../../src/programs/qemu-img.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';
import { boxRequest, listBox, MIB, makeDisk, tarMagic, unpackBox } from './boxes.ts';

test('a libvirt box has metadata, Vagrantfile and a qcow2 that is the same disk', async () => {
  const folder = temporaryFolder();
  const raw = await makeDisk(join(folder, 'disk.raw'), 64 * MIB);
  const request = boxRequest('vagrant-libvirt', folder, raw);
  await packLibvirtBox(request, testTask(folder));

  const members = await listBox(request.output);
  expect(members.map((line) => line.split(' ').at(-1))).toEqual(['metadata.json', 'Vagrantfile', 'box.img']);
  for (const line of members) expect(line).toMatch(/^-rw-r--r-- 0\/0 \d+ 2026-09-21 /);
  const box = await readFile(request.output);
  expect(tarMagic(gunzipSync(box))).toBe('ustar\x0000');
  expect(box.readUInt32LE(4), 'time in the gzip header').toBe(0);

  const unpacked = await unpackBox(request.output);
  const metadata: unknown = JSON.parse(await readFile(join(unpacked, 'metadata.json'), 'utf8'));
  expect(metadata).toEqual({ provider: 'libvirt', format: 'qcow2', virtual_size: 1 });
  const image = join(unpacked, 'box.img');
  expect(await imageInfo(image, testTask(folder))).toEqual({ format: 'qcow2', virtualSize: 64 * MIB });
  await run('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', raw, image]);
  const vagrantfile = await readFile(join(unpacked, 'Vagrantfile'), 'utf8');
  expect(vagrantfile).toContain('libvirt.cpus = 2');
  expect(vagrantfile).toContain('libvirt.memory = 1536');
  expect(vagrantfile).toContain('libvirt.disk_bus = "virtio"');
});

test('the virtual size is never rounded down', async () => {
  const folder = temporaryFolder();
  const raw = await makeDisk(join(folder, 'disk.raw'), 1025 * MIB);
  const request = boxRequest('vagrant-libvirt', folder, raw);
  await packLibvirtBox(request, testTask(folder));
  const unpacked = await unpackBox(request.output);
  expect(JSON.parse(await readFile(join(unpacked, 'metadata.json'), 'utf8'))).toMatchObject({ virtual_size: 2 });
});

test('I10: the same disk gives the same libvirt box', async () => {
  const folder = temporaryFolder();
  const raw = await makeDisk(join(folder, 'disk.raw'), 64 * MIB);
  const [first, second] = [join(folder, 'first.box'), join(folder, 'second.box')];
  await packLibvirtBox(boxRequest('vagrant-libvirt', folder, raw, { output: first }), testTask(folder));
  await packLibvirtBox(
    boxRequest('vagrant-libvirt', folder, raw, { output: second, scratchDir: join(folder, 'b') }),
    testTask(folder),
  );
  expect((await readFile(first)).equals(await readFile(second))).toBe(true);
});

test('progress is reported in bytes up to the end', async () => {
  const folder = temporaryFolder();
  const raw = await makeDisk(join(folder, 'disk.raw'), 64 * MIB);
  const reports: [number, number | undefined, string][] = [];
  const task = { ...testTask(folder), progress: (...report: (typeof reports)[number]) => void reports.push(report) };
  await packLibvirtBox(boxRequest('vagrant-libvirt', folder, raw), task);
  expect(reports).toContainEqual([64 * MIB, 64 * MIB, 'bytes']);
  const [done, total] = reports.at(-1) ?? [];
  expect(done).toBe(total);
  expect(done).toBeGreaterThan(3 * MIB);
});
