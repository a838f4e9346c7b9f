import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { filesBelow } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { findString } from '../scan/scan-bytes.ts';

/** Files each host has to make for itself. */
const OWN_TO_A_HOST = /^(etc\/ssh\/ssh_host_.*key|var\/lib\/systemd\/random-seed|var\/roothome\/\.ssh\/)/;

/**
 * I9, for what goes onto a medium: looks through every file of a folder, before it is packed, for strings that give
 * the build host away, and for keys and seeds.
 * @throws NightlyError `image` naming everything found.
 */
export async function refuseTraces(folder: string, forbidden: readonly string[], task: Task): Promise<void> {
  const found: string[] = [];
  for (const name of await filesBelow(folder)) {
    const path = join(folder, name);
    if (OWN_TO_A_HOST.test(name)) found.push(`${name}, which each host makes for itself`);
    for (const text of await marksIn(path, forbidden)) found.push(`"${text}" in ${name}`);
  }
  if (found.length === 0) return;
  throw new NightlyError('image', `The installer carries traces of this machine:\n  ${found.join('\n  ')}`, {
    hint: 'Find the package, postprocess script or added file that brings it in; "ostree ls" and "ostree cat" show the tree.',
    log: task.logFile,
  });
}

/** Beyond this a file is read in parts. */
const SMALL_BYTES = 8 * 1024 * 1024;

async function marksIn(path: string, forbidden: readonly string[]): Promise<string[]> {
  const { size } = await stat(path);
  if (size > SMALL_BYTES) {
    return (await findString(path, [{ start: 0, length: size }], forbidden)).map(({ text }) => text);
  }
  const bytes = await readFile(path);
  return forbidden.filter((text) => bytes.includes(text));
}
