import { spawn as spawnChild } from 'node:child_process';
import { open } from 'node:fs/promises';
import { missing } from './program-fault.ts';
import { OURS_ALONE, type RunOptions } from './spawn.ts';

/** A started program that may outlive this one. */
export interface LaunchedProcess {
  readonly pid: number;
  /** Resolves with the exit code (null after a signal); never rejects. */
  readonly exited: Promise<number | null>;
  /** Lets this program end while the other one still runs. */
  forget(): void;
}

/**
 * Starts a program in a process group of its own that keeps running when this one ends, in whatever way. Its output
 * goes to a file, since a pipe would break with this program.
 * @param output `flags` as fs.open takes them: `w` for a new file, `a` to append
 * @throws NightlyError `tool-missing`.
 */
export async function launch(
  command: string,
  args: readonly string[],
  { output, env }: { readonly output: { readonly path: string; readonly flags: 'w' | 'a' } } & Pick<RunOptions, 'env'>,
): Promise<LaunchedProcess> {
  const file = await open(output.path, output.flags);
  try {
    const child = spawnChild(command, args, {
      detached: true,
      stdio: ['ignore', file.fd, file.fd],
      env: { ...process.env, ...OURS_ALONE, ...env },
    });
    const exited = new Promise<number | null>((settle) => child.once('exit', settle));
    const { pid } = await new Promise<typeof child>((settle, refuse) => {
      child.once('spawn', () => settle(child)).once('error', () => refuse(missing(command)));
    });
    if (pid === undefined) throw missing(command);
    return { pid, exited, forget: () => child.unref() };
  } finally {
    await file.close();
  }
}
