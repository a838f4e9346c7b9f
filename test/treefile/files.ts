import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NightlyError } from '../../src/base/errors.ts';
import { type ReadOptions, readTreefile } from '../../src/treefile/read.ts';
import type { Treefile } from '../../src/treefile/treefile.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** File names to their text, or to a value that is written as JSON (which YAML readers read too). */
export type Files = Readonly<Record<string, unknown>>;

/** Writes files into a folder, by default a fresh one; gives back the folder. Scripts (`.sh`) become executable. */
export async function writeFiles(files: Files, folder = temporaryFolder()): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
    if (name.endsWith('.sh')) await chmod(path, 0o755);
  }
  return folder;
}

/** Reads the first of the files, for x86_64 unless told otherwise. */
export async function read(files: Files, options: Partial<ReadOptions> = {}): Promise<Treefile> {
  const folder = await writeFiles(files);
  return readTreefile(join(folder, Object.keys(files)[0] ?? ''), { basearch: 'x86_64', ...options });
}

/** The message of the refusal, with the folder taken out of it. */
export async function refusal(files: Files, options: Partial<ReadOptions> = {}): Promise<string> {
  const folder = await writeFiles(files);
  try {
    await readTreefile(join(folder, Object.keys(files)[0] ?? ''), { basearch: 'x86_64', ...options });
  } catch (error) {
    if (!(error instanceof NightlyError) || error.code !== 'treefile') throw error;
    return error.message.replaceAll(`${folder}/`, '');
  }
  throw new Error('The treefile was accepted.');
}
