import { copyFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { isErrno, makeFolder } from '../base/files.ts';
import { linkOrCopy } from '../base/link-or-copy.ts';
import type { Task } from '../base/task.ts';
import { createRepo } from '../programs/createrepo.ts';
import { gpgStopAgent } from '../programs/gpg.ts';
import { rpmSign } from '../programs/rpmbuild.ts';
import { adviseUpdates } from './lab-advisories.ts';
import type { LabKey } from './lab-keys.ts';
import { LAB_REPOS, type LabRepo, type PlannedRpm } from './lab-plan.ts';
import { makeRpm } from './make-rpm.ts';

/** More at once only makes each slower: rpmbuild and gzip are processor-bound. */
const AT_ONCE = 2;
/** Packages one rpmsign is given: enough to forget its start-up, few enough to lose little when it is killed. */
const SIGN_BATCH = 24;

/**
 * Makes the RPMs of a plan that the cache does not have, signs them, and lays the folder of each repository out.
 * Cache: `rpms/<key>/NAME.rpm` unsigned, `signed/<fingerprint>/<key>/NAME.rpm`; folders appear by rename, whole.
 * @returns the repositories whose content changed.
 */
export async function publish(
  dir: string,
  cacheDir: string,
  plan: readonly PlannedRpm[],
  key: LabKey,
  task: Task,
): Promise<readonly LabRepo[]> {
  const rpms = join(cacheDir, 'rpms');
  const signed = join(cacheDir, 'signed', key.fingerprint);
  const scratch = join(cacheDir, `scratch-${process.pid}`);
  await removeLeftovers(cacheDir);
  try {
    const done = new Set(await names(signed));
    const unsigned = plan.filter((rpm) => !done.has(rpm.key));
    await buildMissing(unsigned, rpms, scratch, task);
    await signMissing(unsigned, rpms, signed, scratch, key, task);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  const changed: LabRepo[] = [];
  for (const repo of LAB_REPOS) {
    const planned = plan.filter((rpm) => rpm.repo === repo);
    const wanted = planned.map((rpm) => join(signed, rpm.key));
    const updated = planned.filter(({ source }) => source.bump > 0);
    const advise = (folder: string) => adviseUpdates(folder, updated, task);
    if (await layOut(join(dir, repo), wanted, advise, task)) changed.push(repo);
  }
  return changed;
}

/** Scratch folders of builds that were killed. */
async function removeLeftovers(cacheDir: string): Promise<void> {
  for (const name of await names(cacheDir)) {
    const pid = /^scratch-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(cacheDir, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: somebody else's process.
    return !isErrno(error, 'ESRCH');
  }
}

async function buildMissing(wanted: readonly PlannedRpm[], rpms: string, scratch: string, task: Task): Promise<void> {
  const built = new Set(await names(rpms));
  const missing = wanted.filter((rpm) => !built.has(rpm.key));
  if (missing.length === 0) return;
  task.say(`Packing ${missing.length} RPMs.`);
  let count = 0;
  await forEachLimited(missing, task, async (rpm) => {
    await makeRpm(rpm.source, scratch, join(rpms, rpm.key), task);
    count += 1;
    task.progress(count, missing.length, 'packages');
  });
}

async function signMissing(
  wanted: readonly PlannedRpm[],
  rpms: string,
  signed: string,
  scratch: string,
  key: LabKey,
  task: Task,
): Promise<void> {
  if (wanted.length === 0) return;
  task.say(`Signing ${wanted.length} RPMs.`);
  await makeFolder(signed);
  const batches = Array.from({ length: Math.ceil(wanted.length / SIGN_BATCH) }, (_, index) =>
    wanted.slice(index * SIGN_BATCH, (index + 1) * SIGN_BATCH),
  );
  let count = 0;
  try {
    await forEachLimited(batches, task, async (batch) => {
      const files: string[] = [];
      for (const rpm of batch) {
        const [file = ''] = await names(join(rpms, rpm.key));
        const folder = join(scratch, rpm.key);
        await makeFolder(folder);
        await copyFile(join(rpms, rpm.key, file), join(folder, file));
        files.push(join(folder, file));
      }
      await rpmSign(files, { gnupgHome: key.gnupgHome, name: key.fingerprint, home: scratch }, task);
      for (const rpm of batch) await rename(join(scratch, rpm.key), join(signed, rpm.key));
      count += batch.length;
      task.progress(count, wanted.length, 'packages');
    });
  } finally {
    await gpgStopAgent(key.gnupgHome, task);
  }
}

/**
 * Makes a repository folder hold exactly the RPMs of the given folders, as hard links where that can be, and renews its metadata.
 * @param advise adds the advisories to the metadata
 */
async function layOut(
  folder: string,
  wanted: readonly string[],
  advise: (folder: string) => Promise<void>,
  task: Task,
): Promise<boolean> {
  await makeFolder(folder);
  const target = new Map<string, string>();
  for (const source of wanted) {
    const [file = ''] = await names(source);
    target.set(file, join(source, file));
  }
  let changed = !(await isFile(join(folder, 'repodata', 'repomd.xml')));
  const present = (await names(folder)).filter((name) => name.endsWith('.rpm'));
  // Set while files and metadata differ, so that an interrupted change is finished by the next build.
  const mark = join(folder, '.changing');
  if (await isFile(mark)) changed = true;
  const obsolete = [];
  for (const name of present) {
    const source = target.get(name);
    if (source !== undefined && (await sameFile(source, join(folder, name)))) target.delete(name);
    else obsolete.push(name);
  }
  if (target.size === 0 && obsolete.length === 0 && !changed) return false;
  await writeFile(mark, '');
  for (const [name, source] of target) {
    await rm(join(folder, name), { force: true });
    await linkOrCopy(source, join(folder, name));
  }
  for (const name of obsolete) if (!target.has(name)) await rm(join(folder, name));
  await createRepo(folder, task);
  await advise(folder);
  await rm(mark);
  return true;
}

/** Runs the action for each item, `AT_ONCE` at a time; after a failure it starts no more and waits for the running ones. */
async function forEachLimited<T>(items: readonly T[], task: Task, action: (item: T) => Promise<void>): Promise<void> {
  const limit = pLimit(AT_ONCE);
  const failures: unknown[] = [];
  await Promise.all(
    items.map((item) =>
      limit(async () => {
        if (failures.length > 0) return;
        try {
          task.signal.throwIfAborted();
          await action(item);
        } catch (error) {
          failures.push(error);
        }
      }),
    ),
  );
  if (failures.length > 0) throw failures[0];
}

async function names(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}

const isFile = async (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  );

async function sameFile(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all([stat(a), stat(b)]);
  // A copy has the times of what it was made from.
  return (one.ino === other.ino && one.dev === other.dev) || (one.size === other.size && one.mtimeMs === other.mtimeMs);
}
