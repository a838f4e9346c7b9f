import { readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readCacheRecord } from '../../base/cache-record.ts';
import { isErrno, writeJson } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { unmountIn } from '../../programs/mount.ts';
import { RUN_MARKER } from '../../programs/spawn.ts';

/**
 * The folders in which a killed rpm-ostree leaves something behind. It is known to be from our own earlier try as follows:
 *
 * 1. Processes, also those of a container that outlived its client, that have our `--cachedir` on their command line:
 *    the folder is private to this engine and stream.
 * 2. Work folders in the cache (`rpm-ostree-compose.*`) and in a private repo's `tmp`.
 * 3. `/var/tmp/rpm-ostree.*`, and `/tmp/rpmostree-rofiles-fuse*` with a FUSE mount on it. Their names do not say whose
 *    they are, so a ledger in the cache says what was there when our try began; what came later, belongs to our user
 *    and is used by no living process is removed.
 * 4. Staging folders of transactions in the repos, when no living process has them open.
 */
export interface ComposePlaces {
  readonly cacheDir: string;
  /** OSTree repositories this engine writes into. */
  readonly repos: readonly string[];
  /** Where rpm-ostree makes temporary folders by fixed names. */
  readonly temporary: readonly string[];
}

/** The folders of a real system. */
export const TEMPORARY_FOLDERS = ['/var/tmp', '/tmp'] as const;

/** `since`: milliseconds since the epoch. */
const ledgerSchema = z.looseObject({ since: z.number(), existing: z.array(z.string()) });

type Ledger = z.infer<typeof ledgerSchema>;

const ledgerPath = ({ cacheDir }: ComposePlaces): string => join(cacheDir, 'running.json');

/** Writes down what is there before a run, so that `clean` of a later try knows what is new. */
export async function beginRun(places: ComposePlaces): Promise<void> {
  const ledger: Ledger = { since: Date.now(), existing: await temporaryEntries(places) };
  await writeJson(ledgerPath(places), ledger);
}

/** After a run that ended by itself: it has cleaned up. */
export async function endRun(places: ComposePlaces): Promise<void> {
  await rm(ledgerPath(places), { force: true });
}

/** Removes what an earlier try of ours left behind when it was killed. Returns what was removed. */
export async function clean(places: ComposePlaces, task: Task): Promise<string[]> {
  await endStrayProcesses(places.cacheDir);
  const ledger = await readCacheRecord(ledgerPath(places), ledgerSchema);
  const candidates = [
    ...(await entries(places.cacheDir, /^rpm-ostree-compose\./)),
    ...(
      await Promise.all(places.repos.map((repo) => entries(join(repo, 'tmp'), /^(rpm-ostree-compose\.|staging-)/)))
    ).flat(),
    ...(ledger ? await newSince(ledger, places) : []),
  ];
  if (candidates.length > 0) {
    const used = await usedPaths(candidates);
    for (const path of candidates) if (!used.has(path)) await removeTree(path);
    candidates.splice(0, candidates.length, ...candidates.filter((path) => !used.has(path)));
    if (candidates.length > 0) task.say(`removed what an interrupted try left behind: ${candidates.join(', ')}`);
  }
  await endRun(places);
  return candidates;
}

async function newSince(ledger: Ledger, places: ComposePlaces): Promise<string[]> {
  const known = new Set(ledger.existing);
  const fresh: string[] = [];
  for (const path of await temporaryEntries(places)) {
    if (known.has(path)) continue;
    try {
      const { uid, ctimeMs } = await stat(path);
      // A second of tolerance: file systems may keep coarser times than the clock.
      if (uid === process.getuid?.() && ctimeMs >= ledger.since - 1000) fresh.push(path);
    } catch (error) {
      // A FUSE mount whose program was killed answers with ENOTCONN: nobody uses it any more.
      if (isErrno(error, 'ENOTCONN')) fresh.push(path);
      else if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
  return fresh;
}

async function temporaryEntries({ temporary }: ComposePlaces): Promise<string[]> {
  return (
    await Promise.all(temporary.map((folder) => entries(folder, /^(rpm-ostree\.|rpmostree-rofiles-fuse)/)))
  ).flat();
}

async function entries(folder: string, pattern: RegExp): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => pattern.test(name)).map((name) => join(folder, name));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

async function removeTree(path: string): Promise<void> {
  await unmountIn(path);
  await rm(path, { recursive: true, force: true });
}

async function endStrayProcesses(cacheDir: string): Promise<void> {
  const mark = `--cachedir=${cacheDir}`;
  const isStray = async (pid: string) => (await readProc(pid, 'cmdline')).split('\0').includes(mark);
  for (let round = 0; round < 50; round++) {
    const pids = await processes();
    const flags = await Promise.all(pids.map(isStray));
    const strays = pids.filter((_, index) => flags[index]);
    if (strays.length === 0) return;
    for (const pid of strays) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch (error) {
        if (!isErrno(error, 'ESRCH')) throw error;
      }
    }
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Which of the paths a living process has open, works in, or names on its command line. */
async function usedPaths(paths: readonly string[]): Promise<Set<string>> {
  const used = new Set<string>();
  const note = (target: string): void => {
    for (const path of paths)
      if (target === path || target.startsWith(`${path}/`) || target.startsWith(`${path}-lock`)) used.add(path);
  };
  for (const pid of await processes()) {
    if (await isOwnMountServer(pid)) continue;
    for (const link of ['cwd', 'root', ...(await names(`/proc/${pid}/fd`)).map((fd) => `fd/${fd}`)]) {
      note(await readlink(`/proc/${pid}/${link}`).catch(() => ''));
    }
    for (const word of (await readProc(pid, 'cmdline')).split('\0')) note(word);
  }
  return used;
}

/** rofiles-fuse goes into the background and may outlive the compose it was started for; alone it serves nobody. */
async function isOwnMountServer(pid: string): Promise<boolean> {
  const mark = process.env[RUN_MARKER];
  if (mark === undefined || !(await readProc(pid, 'cmdline')).split('\0')[0]?.endsWith('rofiles-fuse')) return false;
  return (await readProc(pid, 'environ')).split('\0').includes(`${RUN_MARKER}=${mark}`);
}

async function processes(): Promise<string[]> {
  return (await names('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
}

// A process may end while it is looked at, and other users' may not be looked at: neither uses a private folder of ours.
const names = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
const readProc = (pid: string, name: string): Promise<string> =>
  readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '');
