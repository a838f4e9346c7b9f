import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NightlyError } from '../../errors.ts';
import { type RunOptions, type RunResult, run } from '../../tools/exec.ts';
import type { Task } from '../../tools/task.ts';

/** The few things of `ostree` this engine needs beside rpm-ostree. */
function ostree(repo: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const [command = '', ...rest] = args;
  return run('ostree', [command, `--repo=${repo}`, ...rest], options);
}

/**
 * A bare-user repo in the cache, for releases that cannot compose into an archive repo, or follow only what their ref
 * says. The ref is set to the parent, or removed, so that the run follows exactly that.
 */
export async function prepareTwin(
  request: { readonly cacheDir: string; readonly repo: string; readonly parent?: string },
  ref: string | undefined,
  task: Task,
): Promise<string> {
  const twin = twinPath(request.cacheDir);
  await mkdir(dirname(twin), { recursive: true });
  await ostree(twin, ['init', '--mode=bare-user'], { task });
  if (ref === undefined) return twin;
  await ostree(twin, ['refs', '--delete', ref], { task });
  if (request.parent !== undefined) {
    await ostree(twin, ['pull-local', request.repo, request.parent], { task });
    await ostree(twin, ['refs', `--create=${ref}`, request.parent], { task });
  }
  return twin;
}

/** Where that repo is. */
export function twinPath(cacheDir: string): string {
  return join(cacheDir, 'target');
}

/** Copies a commit with all it needs into another repo; its refs stay as they are. */
export async function copyCommit(from: string, to: string, commit: string, task: Task): Promise<void> {
  await ostree(to, ['pull-local', from, commit], { task });
}

/** What `ostree show` says of a commit. */
export interface Shown {
  /** SHA-256 over the root dirtree and dirmeta. */
  readonly contentChecksum: string;
  readonly parent: string | undefined;
  /** Seconds since the epoch. */
  readonly timestamp: number;
}

/** Reads a commit's own record. @throws NightlyError `ostree` when it cannot be read. */
export async function showCommit(repo: string, commit: string, task: Task): Promise<Shown> {
  const { stdout } = await ostree(repo, ['show', commit], { task });
  const contentChecksum = /^ContentChecksum:\s+([0-9a-f]{64})$/m.exec(stdout)?.[1];
  const date = /^Date:\s+(.+)$/m.exec(stdout)?.[1];
  const timestamp =
    date === undefined ? Number.NaN : Date.parse(date.replace(/ ([+-]\d\d)(\d\d)$/, '$1:$2').replace(' ', 'T'));
  if (contentChecksum === undefined || Number.isNaN(timestamp)) {
    throw new NightlyError('ostree', `"ostree show" of ${commit} cannot be read:\n${stdout}`, { log: task.logFile });
  }
  return { contentChecksum, parent: /^Parent:\s+([0-9a-f]{64})$/m.exec(stdout)?.[1], timestamp: timestamp / 1000 };
}

/** Names below a folder of a commit; none when there is no such folder. */
export async function listFolder(repo: string, commit: string, path: string, task: Task): Promise<string[]> {
  const { exitCode, stdout } = await ostree(repo, ['ls', '--nul-filenames-only', commit, path], {
    task,
    okExitCodes: [0, 1],
  });
  if (exitCode !== 0) return [];
  return stdout.split('\0').flatMap((name) => (name.startsWith(`${path}/`) ? name.slice(path.length + 1) : []));
}

/** Whether a file of a commit is there with its content; a commit may have been pulled in part. */
export async function hasFile(repo: string, commit: string, path: string, task: Task): Promise<boolean> {
  return (await ostree(repo, ['cat', commit, path], { task, okExitCodes: [0, 1] })).exitCode === 0;
}
