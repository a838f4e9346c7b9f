import { existsSync } from 'node:fs';
import { realpath, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { type ProcessPlace, processPlace } from '../base/boot-id.ts';
import { NightlyError } from '../base/errors.ts';
import { isFullDisk, makeFolder, readTextIfExists, writeJson } from '../base/files.ts';
import { type RecordFormat, readRecord, recordFormat } from '../base/read-record.ts';
import type { Task } from '../base/task.ts';
import { removeStaleFolders } from '../base/temporary.ts';
import { isUnreadable, unreadable } from '../base/unreadable.ts';
import { count, instant } from '../build/record-values.ts';
import { isFlockHeld, tryFlock, untilFlockFree } from '../programs/flock.ts';
import { isStartedHere, killProcess, processesMarked, procStrings } from '../programs/processes.ts';
import { RUN_MARKER } from '../programs/spawn.ts';

/**
 * The run lock of a work folder: `flock` on `work/lock`, freed by the kernel when its holder dies. `work/lock.json` beside
 * it only names its holder for people.
 */
export interface RunLock {
  release(): Promise<void>;
}

/** Who has the run lock, as `lock.json` says. */
export interface LockHolder extends ProcessPlace {
  readonly host: string;
  readonly command: string;
  readonly since: string;
}

export const lockHolderSchema: z.ZodType<LockHolder> = z.looseObject({
  pid: count,
  boot: z.string().exactOptional(),
  machine: z.string().exactOptional(),
  pids: z.string().exactOptional(),
  host: z.string(),
  command: z.string(),
  since: instant,
});

const HOLDER: RecordFormat<LockHolder> = recordFormat({
  schema: lockHolderSchema,
  hint: 'It only names who holds the lock; the next run rewrites it.',
});

/** What `lock.json` says; a fault of code `record` when it is damaged, undefined when there is none. */
export async function readLockHolder(workDir: string): Promise<LockHolder | NightlyError | undefined> {
  const path = join(workDir, 'lock.json');
  try {
    const text = await readTextIfExists(path);
    return text === undefined ? undefined : readRecord(text, HOLDER, path);
  } catch (error) {
    if (isUnreadable(error)) return unreadable(path, error);
    if (error instanceof NightlyError && error.code === 'record') return error;
    throw error;
  }
}

/**
 * A second file, locked as long as `lock` is. A look at it keeps no run out: whoever takes the lock waits for the moment that
 * the look takes.
 */
const witnessPath = (workDir: string): string => join(workDir, 'lock.held');

/**
 * Takes the lock, then ends what a killed run left behind, so that two writers never meet in one cache.
 * @throws NightlyError `locked`, naming the holder.
 */
export async function takeRunLock(workDir: string, command: string): Promise<RunLock> {
  const lockPath = join(workDir, 'lock');
  const whoPath = join(workDir, 'lock.json');
  const free = await tryFlock(lockPath, { witness: witnessPath(workDir) });
  if (!free) throw await lockedError(workDir);
  try {
    await killLeftovers(workDir);
    removeStaleFolders();
    process.env[RUN_MARKER] = resolve(workDir);
    const who: LockHolder = { ...processPlace(), host: hostname(), command, since: new Date().toISOString() };
    // A folder in its place would be in the way.
    if ((await readLockHolder(workDir)) instanceof NightlyError) await rm(whoPath, { recursive: true, force: true });
    await writeHolder(whoPath, who);
  } catch (error) {
    // A full disk: whoever holds a lock of this program keeps it from ending.
    await free();
    throw error;
  }
  return {
    async release() {
      try {
        await endAgents(workDir);
        delete process.env[RUN_MARKER];
        await rm(whoPath, { force: true });
      } finally {
        await free();
      }
    },
  };
}

/** Names who holds the lock; a full disk goes without it, for what makes room (`gc`, `prune`) needs the lock as well. */
async function writeHolder(path: string, who: LockHolder): Promise<void> {
  try {
    await writeJson(path, who);
  } catch (error) {
    if (!isFullDisk(error)) throw error;
  }
}

async function lockedError(workDir: string): Promise<NightlyError> {
  const found = await readLockHolder(workDir);
  const who = found instanceof NightlyError ? undefined : found;
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
  await makeFolder(workDir);
  await untilFlockFree(join(workDir, 'lock'), task);
}

/**
 * Children lead their own process groups and outlive a SIGKILL of this program. They carry the work folder in their
 * environment; whoever has the lock now is the only one who may have such children. What this program itself started beside an
 * earlier run, as the demo does its host, is no leftover.
 */
async function killLeftovers(workDir: string): Promise<void> {
  for (const pid of await processesMarked(`${RUN_MARKER}=${resolve(workDir)}`)) {
    if (!(await isStartedHere(pid))) killProcess(pid);
  }
}

/** Daemons of GnuPG, which its programs start by themselves and which stay: dnf checks `repo_gpgcheck` in a folder of the cache. */
const AGENTS = ['gpg-agent', 'keyboxd', 'dirmngr', 'scdaemon'];

/**
 * Ends the agents that were started during this run for a home of keys below the work folder. Those for people's own keys
 * stay, as they may hold a passphrase.
 */
async function endAgents(workDir: string): Promise<void> {
  const below = `${await realpath(workDir)}/`;
  for (const pid of await processesMarked(`${RUN_MARKER}=${resolve(workDir)}`)) {
    const [program = '', ...args] = await procStrings(pid, 'cmdline');
    if (!AGENTS.includes(basename(program))) continue;
    const home = args[args.indexOf('--homedir') + 1] ?? '';
    const isOurs = args.includes('--homedir') && `${await realpath(home).catch(() => home)}/`.startsWith(below);
    if (isOurs) killProcess(pid);
  }
}

/** Whether some run has the lock right now; a look that keeps none from taking it. */
export async function isRunLockHeld(workDir: string): Promise<boolean> {
  return existsSync(witnessPath(workDir)) && isFlockHeld(witnessPath(workDir));
}
