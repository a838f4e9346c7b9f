import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { NightlyError } from '../errors.ts';
import { run } from './exec.ts';
import { withTemporaryFolder } from './files.ts';
import type { Task } from './task.ts';

/** Programs for what Node cannot do by itself, by the end of a file's name. */
const PROGRAMS: Readonly<Record<string, string>> = { xz: 'xz', zst: 'zstd', bz2: 'bzip2' };

/**
 * The text in a compressed file, by the end of its name: gz, xz, zst, bz2, or none of them.
 * @throws NightlyError `tool-missing`, `tool-failed`; Error when gzip data is damaged.
 */
export async function decompressText(name: string, bytes: Uint8Array, task: Task): Promise<string> {
  const end = /\.(gz|xz|zst|bz2)$/.exec(name)?.[1];
  if (end === undefined) return new TextDecoder().decode(bytes);
  if (end === 'gz') return gunzipSync(bytes).toString('utf8');
  const program = PROGRAMS[end];
  if (program === undefined) throw new NightlyError('bug', `Nothing decompresses ${name}.`);
  return withTemporaryFolder(async (folder) => {
    const file = join(folder, `data.${end}`);
    await writeFile(file, bytes);
    // Not through the task's log, which would hold the whole text once more.
    task.signal.throwIfAborted();
    return (await run(program, ['-dc', file])).stdout;
  });
}
