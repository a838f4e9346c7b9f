import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { NightlyError } from '../base/errors.ts';
import { withTemporaryFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';
import { MOST_BYTES } from './program-output.ts';
import { ANY_EXIT_CODE } from './spawn.ts';

/** Programs for what Node cannot do by itself, by the end of a file's name. */
const PROGRAMS: Readonly<Record<string, string>> = { xz: 'xz', zst: 'zstd', bz2: 'bzip2' };

/**
 * Returns the text in a compressed file, by the end of its name: gz, xz, zst, bz2, or none of them.
 * @param mostBytes of text that are taken
 * @throws NightlyError `tool-missing`; Error when the data is damaged, or more than is taken, with a message that begins with "it".
 */
export async function decompressText(
  name: string,
  bytes: Uint8Array,
  task: Task,
  mostBytes = MOST_BYTES,
): Promise<string> {
  const end = /\.(gz|xz|zst|bz2)$/.exec(name)?.[1];
  if (end === undefined) return new TextDecoder().decode(bytes);
  if (end === 'gz') return gunzip(bytes, mostBytes);
  const program = PROGRAMS[end];
  if (program === undefined) throw new NightlyError('bug', `Nothing decompresses ${name}.`);
  return withTemporaryFolder(async (folder) => {
    const file = join(folder, `data.${end}`);
    await writeFile(file, bytes);
    // Not through the task's log, which would hold the whole text once more.
    task.signal.throwIfAborted();
    const unpacked = run(program, ['-dc', file], { okExitCodes: ANY_EXIT_CODE, mostBytes });
    const { exitCode, stdout, stderr } = await unpacked.catch((error: unknown) => {
      if (!(error instanceof NightlyError && error.code === 'tool-failed')) throw error;
      throw damaged(end, error.message.split('\n')[0] ?? '', error);
    });
    if (exitCode !== 0) throw damaged(end, stderr.replaceAll(file, name).trim().split('\n').at(-1) ?? '');
    return stdout;
  });
}

function gunzip(bytes: Uint8Array, mostBytes: number): string {
  try {
    return gunzipSync(bytes, { maxOutputLength: mostBytes }).toString('utf8');
  } catch (error) {
    throw damaged('gz', error instanceof Error ? error.message : String(error), error);
  }
}

function damaged(end: string, why: string, cause?: unknown): Error {
  return new Error(`it is cut short or damaged: as ${end} it cannot be decompressed (${why})`, { cause });
}
