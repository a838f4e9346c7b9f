import { randomBytes } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { PackRequest } from '../../../src/images/image-format.ts';
import { templatePath } from '../../../src/images/template/render-template.ts';
import { run } from '../../../src/programs/exec.ts';

export const MIB = 1024 ** 2;
export const TIMESTAMP = 1_790_000_000;

/** A sparse disk with some data that cannot be compressed and a last sector that is not zero, like a GPT's. */
export async function makeDisk(path: string, sizeBytes: number): Promise<string> {
  const file = await open(path, 'w');
  try {
    await file.truncate(sizeBytes);
    await file.write(randomBytes(3 * MIB), 0, 3 * MIB, 5 * MIB);
    await file.write(randomBytes(512), 0, 512, sizeBytes - 512);
  } finally {
    await file.close();
  }
  return path;
}

export function boxRequest(
  type: 'vagrant-libvirt' | 'vagrant-virtualbox',
  folder: string,
  raw: string,
  changes: Partial<PackRequest> = {},
): PackRequest {
  return {
    raw,
    output: join(folder, 'disk.box'),
    scratchDir: join(folder, 'scratch'),
    timestamp: TIMESTAMP,
    seed: { commit: 'c0ffee'.padEnd(64, '0'), timestamp: TIMESTAMP },
    machine: { cpus: 2, memoryMib: 1536 },
    name: 'lab-atomic-host',
    template: { name: type, folders: [templatePath(type)] },
    ...changes,
  };
}

/** Unpacks a box beside it, as Vagrant does with bsdtar. */
export async function unpackBox(box: string): Promise<string> {
  const folder = `${box}.unpacked`;
  await mkdir(folder);
  await run('tar', ['-xf', box, '-C', folder]);
  return folder;
}

/** What `tar -tv` prints of each member, such as `-rw-r--r-- 0/0 70 2026-09-21 14:13 metadata.json`. */
export async function listBox(box: string): Promise<string[]> {
  const { stdout } = await run('tar', ['--numeric-owner', '-tvf', box]);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/ +/g, ' '));
}

/** The eight bytes that say which format a tar has, and its version. */
export function tarMagic(archive: Uint8Array): string {
  return Buffer.from(archive).toString('latin1', 257, 265);
}
