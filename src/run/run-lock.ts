import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { readTextIfExists, writeJson } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { RUN_MARKER } from '../programs/exec.ts';
import { tryFlock, untilFlockFree } from '../programs/flock.ts';

/**
 * The run lock of a work folder: `flock` on `work/lock`, freed by the kernel when its holder dies. `work/lock.json` beside
 * it only names its holder for people.
 */
export interface RunLock {
  release(): Promise<void>;
}

/** Who has the run lock, as `lock.json` says. */
export interface LockHolder {
  readonly pid: number;
  readonly host: string;
  readonly command: string;
  readonly since: string;
}

/**
 * Takes the lock, then ends what a killed run left behind, so that two writers never meet in one cache.
 * @throws NightlyError `locked`, naming the holder.
 */
export async function takeRunLock(workDir: string, command: string): Promise<RunLock> {
  const lockPath = join(workDir, 'lock');
  const whoPath = join(workDir, 'lock.json');
  const free = await tryFlock(lockPath);
  if (!free) throw await lockedError(whoPath);
  await killLeftovers(workDir);
  process.env[RUN_MARKER] = resolve(workDir);
  const who: LockHolder = { pid: process.pid, host: hostname(), command, since: new Date().toISOString() };
  await writeJson(whoPath, who);
  return {
    async release() {
      delete process.env[RUN_MARKER];
      await rm(whoPath, { force: true });
      await free();
    },
  };
}

async function lockedError(whoPath: string): Promise<NightlyError> {
  const text = await readTextIfExists(whoPath);
  const who = text === undefined ? undefined : (JSON.parse(text) as LockHolder);
  return new NightlyError(
    'locked',
    who
      ? `The work folder is locked by another run: "${who.command}", process ${who.pid} on ${who.host}, since ${who.since}.`
      : 'The work folder is locked by another run.',
    {
      hint: 'Wait for it to end; "atomic-nightly list" shows what it builds. The lock is released when its process ends.',
    },
  );
}

/** Waits until no run has the lock; the next may have it a moment later. @throws NightlyError `interrupted`. */
export async function untilRunLockFree(workDir: string, task: Task): Promise<void> {
  await mkdir(workDir, { recursive: true });
  await untilFlockFree(join(workDir, 'lock'), task);
}

/**
 * Children lead their own process groups and outlive a SIGKILL of this program. They carry the work folder in their
 * environment; whoever has the lock now is the only one who may have such children.
 */
async function killLeftovers(workDir: string): Promise<void> {
  const mark = `${RUN_MARKER}=${resolve(workDir)}`;
  for (const entry of await readdir('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    if ((await environment(pid)).includes(mark)) killIfThere(pid);
  }
}

async function environment(pid: number): Promise<string[]> {
  try {
    return (await readFile(`/proc/${pid}/environ`, 'latin1')).split('\0');
  } catch {
    // The process ended meanwhile, or belongs to somebody else: in both cases it is not ours to end.
    return [];
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Ended between reading its environment and here.
  }
}

/** Whether some run has the lock right now. */
export async function isRunLockHeld(workDir: string): Promise<boolean> {
  if (!existsSync(workDir)) return false;
  const free = await tryFlock(join(workDir, 'lock'));
  await free?.();
  return free === undefined;
}
