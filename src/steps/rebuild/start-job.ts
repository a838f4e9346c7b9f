import { createGzip, gunzipSync } from 'node:zlib';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { type FarMachine, fileBytes } from '../../builders/far-machine.ts';
import type { BuildRoot } from '../../rebuild/build-root.ts';
import type { Job } from '../../rebuild/job.ts';
import { rootArchive } from '../../rebuild/root-tree.ts';
import type { SourcePackage } from '../../rebuild/source-package.ts';
import { tarBytes } from '../../rebuild/tar-stream.ts';

/** Returns what a machine has of a kind, by name. @throws NightlyError `builder-unreachable` */
export async function namesOn(
  machine: FarMachine,
  kind: 'objects' | 'roots' | 'jobs',
  task: Task,
): Promise<ReadonlySet<string>> {
  const list = gunzipSync(await machine.call(kind, [], task), { maxOutputLength: 1 << 28 });
  return new Set(list.toString('utf8').split('\n').filter(Boolean));
}

export interface JobStart {
  readonly job: Job;
  readonly source: SourcePackage;
  readonly root: BuildRoot;
  /** Build roots that stay on the machine, at least 1. */
  readonly keepRoots: number;
}

/**
 * Brings the root to a machine, as far as it is missing, and starts the build; a root that is not what it should be is sent anew, once.
 * Then roots go that are beyond those to keep.
 * @throws NightlyError `builder-unreachable`; `verify` when what arrives there is damaged
 */
export async function startJob(
  machine: FarMachine,
  { job, source, root, keepRoots }: JobStart,
  task: Task,
): Promise<void> {
  const { name } = machine.config;
  for (const again of [true, false]) {
    await sendRoot(machine, root, task);
    const args = [job.job, root.commit, root.listing, source.sha256, String(source.epoch)];
    const answer = (await machine.call('job', args, task, { input: fileBytes(source.path) })).toString('utf8').trim();
    if (answer === 'started') return pruneRoots(machine, keepRoots, task);
    if (answer === 'root' && again) task.say(`${name}: its copy of the build root is damaged; sending it anew`);
    else
      throw new NightlyError(
        'verify',
        `${name} does not start the build: its copy of the ${answer === 'root' ? 'build root' : 'source package'} is damaged.`,
      );
  }
}

/** Sends a build root: the objects that the machine lacks, and how they make the tree. */
async function sendRoot(machine: FarMachine, { commit, entries }: BuildRoot, task: Task): Promise<void> {
  if ((await namesOn(machine, 'roots', task)).has(commit)) return;
  const archive = rootArchive(commit, entries, await namesOn(machine, 'objects', task));
  const packed = createGzip({ level: 6 });
  const before = machine.sent();
  const feeding = (async () => {
    for await (const chunk of tarBytes(archive))
      if (!packed.write(chunk)) await new Promise((resolve) => packed.once('drain', resolve));
    packed.end();
  })();
  await Promise.all([machine.call('put', [commit], task, { input: packed }), feeding]);
  task.say(`${machine.config.name}: build root sent, ${machine.sent() - before} bytes`);
}

/** Removes roots from a machine beyond those to keep. A build that has begun is worth more than room: it goes on where that fails. */
async function pruneRoots(machine: FarMachine, keep: number, task: Task): Promise<void> {
  const { name } = machine.config;
  try {
    const removed = (await machine.call('prune', [String(keep)], task)).toString('utf8').split('\n');
    for (const root of removed.filter((line) => /^[0-9a-f]{64}$/.test(line)))
      task.say(`${name}: build root ${root} removed; the ${keep} used last stay (builders.keep.roots)`);
  } catch (error) {
    task.signal.throwIfAborted();
    if (!(error instanceof NightlyError)) throw error;
    task.say(`${name}: build roots beyond ${keep} stay until the next job: ${error.message}`);
  }
}
