import { open, readdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { readTextIfExists } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { dataExtents } from '../../programs/qemu-img.ts';
import { readGpt } from '../disk/gpt.ts';
import { findString, placeOfString } from './scan-bytes.ts';
import { strayFiles } from './scan-files.ts';
import type { FileTree } from './scan-trees.ts';

export interface ScanRequest {
  /** The raw disk that goes into the image. */
  readonly raw: string;
  /** Its root file system, where that is not ext4 and so cannot be read in place. */
  readonly rootTree?: FileTree | undefined;
  /** Strings that may stand nowhere on the disk. */
  readonly forbidden: readonly string[];
  /** Lines of authorized_keys that the image type puts in. */
  readonly keys: readonly string[];
}

/**
 * I9: an image holds no build-host URL, key, machine-id or random seed. Reads the disk as a guest will see it: every
 * byte for the forbidden strings, and the file systems for files that each host has to make for itself.
 * @throws NightlyError `image` naming everything found.
 */
export async function scanDisk(request: ScanRequest, task: Task): Promise<void> {
  const { raw, forbidden, rootTree, keys } = request;
  const root = { keys, tree: rootTree };
  const found = [...(await forbiddenStrings(raw, forbidden, task)), ...(await forbiddenFiles(raw, root, task))];
  if (found.length === 0) return;
  throw new NightlyError('image', `The image carries traces of this machine:\n  ${found.join('\n  ')}`, {
    hint: 'Find the package, postprocess script or added file that brings it in; "ostree ls" and "ostree cat" show the tree.',
    log: task.logFile,
  });
}

/** Shorter strings would be found by accident in gigabytes of programs. */
const SHORTEST_MARK = 8;

/**
 * Returns what gives this machine away: its machine and boot id, its ssh host keys, its name when that is long enough
 * to mean something. Paths of the work folder are the caller's to add.
 */
export async function buildHostMarks(): Promise<string[]> {
  const bootId = (await readTextIfExists('/proc/sys/kernel/random/boot_id'))?.trim() ?? '';
  const marks = [
    (await readTextIfExists('/etc/machine-id'))?.trim() ?? '',
    bootId,
    bootId.replaceAll('-', ''),
    hostname() === 'localhost.localdomain' ? '' : hostname(),
    ...(await publicKeys('/etc/ssh', /^ssh_host_.*_key\.pub$/)),
    ...(await publicKeys('/root/.ssh', /\.pub$/)),
  ];
  return marks.filter((mark) => mark.length >= SHORTEST_MARK && mark !== 'localhost');
}

/** Returns the base64 part of the public keys in a folder. */
async function publicKeys(folder: string, name: RegExp): Promise<string[]> {
  const files = await readdir(folder).catch(() => [] as string[]);
  const lines = await Promise.all(
    files.filter((file) => name.test(file)).map((file) => readFile(join(folder, file), 'utf8')),
  );
  return lines.map((line) => line.split(' ')[1] ?? '');
}

async function forbiddenStrings(raw: string, forbidden: readonly string[], task: Task): Promise<string[]> {
  const extents = await dataExtents(raw, task);
  const hits = await findString(raw, extents, [...new Set(forbidden)]);
  const found: string[] = [];
  for (const hit of hits) found.push(`"${hit.text}" in ${await placeOfString(raw, hit.offset, task)}`);
  return found;
}

async function forbiddenFiles(raw: string, root: Parameters<typeof strayFiles>[2], task: Task): Promise<string[]> {
  const disk = await open(raw, 'r');
  try {
    return await strayFiles(raw, await readGpt(disk), root, task);
  } finally {
    await disk.close();
  }
}
