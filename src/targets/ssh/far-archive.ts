import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { converse } from '../../programs/converse.ts';
import type { FarShell } from './far-shell.ts';

export interface SizedFile {
  readonly path: string;
  readonly bytes: number;
}

/** What goes in one archive at most, unless one file is larger: a broken connection costs no more than that. */
const BATCH_BYTES = 32 << 20;
const BATCH_FILES = 10_000;

/** Files with their sizes in bytes. @throws the system's error for one that is not there. */
export async function sized(root: string, paths: readonly string[]): Promise<SizedFile[]> {
  const files: SizedFile[] = [];
  for (const path of paths) {
    // Much faster than asynchronously, as long as others get their turn.
    if (files.length % 500 === 499) await nextTurn();
    files.push({ path, bytes: statSync(join(root, path)).size });
  }
  return files;
}

/** Cuts files into archives. */
export function batches(files: readonly SizedFile[]): SizedFile[][] {
  const all: SizedFile[][] = [];
  let [batch, bytes]: [SizedFile[], number] = [[], 0];
  for (const file of files) {
    if (batch.length > 0 && (batch.length === BATCH_FILES || bytes + file.bytes > BATCH_BYTES)) {
      all.push(batch);
      [batch, bytes] = [[], 0];
    }
    batch.push(file);
    bytes += file.bytes;
  }
  if (batch.length > 0) all.push(batch);
  return all;
}

/**
 * How tar ends when "file changed as we read it". That is said of a file that got or lost another name as well, which
 * objects do while they are sent: to a directory target they go as hard links.
 */
const CHANGED = 1;

/** Whether a file's content is younger than a moment, in milliseconds since the epoch. */
const isNewer = (file: string, moment: number): boolean => statSync(file).mtimeMs >= moment;

/** tar writes whole records of this many bytes. */
const RECORD = 10_240;
const blocks = (bytes: number): number => Math.ceil(bytes / 512) * 512;

/**
 * Returns how long the archive of these files will be: a header of 512 bytes each and the content in such blocks; for a
 * name above 100 bytes a header and the name in front of it; two empty blocks at the end.
 * https://www.gnu.org/software/tar/manual/html_node/Standard.html
 */
export function archiveBytes(files: readonly SizedFile[]): number {
  let total = 1024;
  for (const { path, bytes } of files) {
    const name = Buffer.byteLength(path);
    total += 512 + blocks(bytes) + (name > 100 ? 512 + blocks(name + 1) : 0);
  }
  return Math.ceil(total / RECORD) * RECORD;
}

/**
 * Writes files into the far shell's input as a tar archive of `archiveBytes`, world-readable, without times or owners.
 * @throws NightlyError `tool-failed` when tar failed or a file changed meanwhile; the shell's input is of no use then.
 */
export async function streamArchive(
  shell: FarShell,
  root: string,
  files: readonly SizedFile[],
  task: Task,
): Promise<void> {
  const tar = converse(
    'tar',
    [
      ...[
        '--create',
        '--format=gnu',
        '--record-size=10240',
        '--mode=0644',
        '--owner=0',
        '--group=0',
        '--numeric-owner',
      ],
      ...['--mtime=@0', '--dereference', '--hard-dereference', '--no-recursion', '--file=-', `--directory=${root}`],
      ...['--null', '--verbatim-files-from', '--files-from=-'],
    ],
    { task, okExitCodes: [0, CHANGED] },
  );
  const begun = Date.now();
  let written = 0;
  tar.stdout.on('data', (chunk: Buffer) => {
    written += chunk.length;
  });
  tar.stdin.end(files.map(({ path }) => `${path}\0`).join(''));
  try {
    await shell.pour(tar.stdout);
  } catch (error) {
    tar.kill();
    throw error;
  }
  const isChanged = (await tar.ended) === CHANGED && files.some(({ path }) => isNewer(join(root, path), begun));
  if (!isChanged && written === archiveBytes(files)) return;
  throw new NightlyError('tool-failed', `A file below ${root} changed while it was sent.`, {
    hint: 'Run "atomic-nightly resume" when nothing else writes there.',
  });
}
