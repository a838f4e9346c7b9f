import { lstat, readdir, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { isErrno, sha256, sha256File } from '../../base/files.ts';
import { formatBytes } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import { escapedName, utf8Name } from '../../base/utf8-name.ts';
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
    for (const file of inputs.files) lines.push(`${await digestOfInput(file)}  ${file}`);
    return lines;
  }
  const lines: string[] = [];
  let characters = 0;
  const tooMuch = new AbortController();
  const onOutput = (line: string) => {
    characters += line.length + 1;
    if (characters <= MOST_OUTPUT) lines.push(line);
    else tooMuch.abort(unfit(inputs.command, `more than ${formatBytes(MOST_OUTPUT)}`));
  };
  const signal = AbortSignal.any([task.signal, tooMuch.signal]);
  await runConfigured(inputs.command, config, { onOutput }, { ...task, signal });
  // Other bytes would have been read as the same.
  if (lines.some((line) => line.includes('\u{fffd}'))) throw unfit(inputs.command, 'bytes that are not UTF-8');
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

/** What an inputs program may print, in characters: it says what a tree depends on, and does not have to be all of it. */
const MOST_OUTPUT = 16 << 20;

function unfit([program]: readonly string[], what: string): NightlyError {
  return new NightlyError('compose', `${program} printed ${what}, where lines of text say what the tree depends on.`, {
    hint: 'Let "inputs.command" print digests of what is long or not text, as sha256sum does.',
  });
}

/** Digest of a file or folder by content, wherever a link leads that is named itself. */
async function digestOfInput(path: string): Promise<string> {
  try {
    return await digestOf(await realpath(path));
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'ELOOP'].some((code) => isErrno(error, code))) throw error;
    throw new NightlyError(
      'compose',
      `There is no ${path}, which "inputs.files" names, or it changed while it was read.`,
      {
        hint: 'Correct the path in the engine of the stream.',
        cause: error,
      },
    );
  }
}

/** Digest of a file, link or folder by content; of modes only whether a file is executable counts. */
async function digestOf(path: string): Promise<string> {
  const stat = await lstat(path);
  if (stat.isSymbolicLink()) return sha256(`link ${await readlink(path)}`);
  if (stat.isDirectory()) {
    const parts: string[] = [];
    for (const name of await namesIn(path)) parts.push(`${await digestOf(join(path, name))} ${JSON.stringify(name)}`);
    return sha256(`folder\n${parts.join('\n')}`);
  }
  if (stat.isFile()) return sha256(`${(stat.mode & 0o111) === 0 ? 'file' : 'program'} ${await sha256File(path)}`);
  throw unusable(`${path} is neither a file nor a folder`);
}

async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { encoding: 'buffer' });
  return names
    .map((bytes) => {
      const name = utf8Name(bytes);
      if (name === undefined) throw unusable(`${folder} has a name that is not UTF-8, ${escapedName(bytes)}`);
      return name;
    })
    .toSorted();
}

function unusable(what: string): NightlyError {
  return new NightlyError('compose', `${what}: it cannot be an input.`, {
    hint: 'Have "inputs.files" name what lies beside it, or use "inputs.command".',
  });
}
