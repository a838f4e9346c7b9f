import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { isErrno, sha256, sha256File } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import type { CommandConfig } from '../../config/config.ts';
import { runConfigured } from './run-configured.ts';

/**
 * Finds out what a command's tree depends on: the lines that `inputs.command` prints, or a line for each of `inputs.files`
 * with the digest of its content.
 * @throws NightlyError `compose` when the program fails or prints nothing, or a file is not there.
 */
export async function commandInputs(config: CommandConfig, task: Task): Promise<string[]> {
  const { inputs } = config;
  if ('files' in inputs) {
    const lines: string[] = [];
    for (const file of inputs.files) lines.push(`${await digestOf(file)}  ${file}`);
    return lines;
  }
  const lines: string[] = [];
  await runConfigured(inputs.command, config, { onOutput: (line) => lines.push(line) }, task);
  if (lines.every((line) => line.trim() === '')) {
    throw new NightlyError(
      'compose',
      `${inputs.command.join(' ')} printed nothing, so what the tree depends on is not known.`,
      {
        hint: 'Let "inputs.command" print a line for each thing that the tree depends on, with its version, key or digest.',
      },
    );
  }
  return lines;
}

/** Digest of a file, link or folder by content; of modes only whether a file is executable counts. */
async function digestOf(path: string): Promise<string> {
  try {
    const stat = await lstat(path);
    if (stat.isSymbolicLink()) return sha256(`link ${await readlink(path)}`);
    if (stat.isDirectory()) {
      const names = (await readdir(path)).toSorted();
      const parts: string[] = [];
      for (const name of names) parts.push(`${await digestOf(join(path, name))} ${JSON.stringify(name)}`);
      return sha256(`folder\n${parts.join('\n')}`);
    }
    if (stat.isFile()) return sha256(`${(stat.mode & 0o111) === 0 ? 'file' : 'program'} ${await sha256File(path)}`);
    throw new NightlyError('compose', `${path} is neither a file nor a folder: "inputs.files" cannot name it.`);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    throw new NightlyError('compose', `There is no ${path}, which "inputs.files" names.`, {
      hint: 'Correct the path in the engine of the stream.',
      cause: error,
    });
  }
}
