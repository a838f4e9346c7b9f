import { join } from 'node:path';
import pLimit from 'p-limit';
import { asNightlyError } from '../base/as-nightly-error.ts';
import { NightlyError } from '../base/errors.ts';
import { isFullDisk } from '../base/files.ts';
import { fullAmong, withFullDisk } from '../base/full-disk.ts';
import type { Task } from '../base/task.ts';
import { systemTemporary } from '../base/temporary.ts';
import { openMachine } from '../builders/far-machine.ts';
import type { KnownGood } from '../builders/known-file.ts';
import { knownFromPackages } from '../builders/known-packages.ts';
import type { MachineConfig } from '../config/builders.ts';
import type { BuildersConfig, Config } from '../config/config.ts';
import { findStream, refOf } from '../config/lookup.ts';
import { openLocalRepo, wholeCommitAt } from '../ostree/local-repo.ts';
import { type BuildRoot, earlierBuildRoot, makeBuildRoot } from '../rebuild/build-root.ts';
import { createJob, markTold } from '../rebuild/job.ts';
import { type JobQueue, jobQueue, type Waiting } from '../rebuild/job-queue.ts';
import { knownFromCommit } from '../rebuild/known-commit.ts';
import { rebuildFolder } from '../rebuild/rebuild-folder.ts';
import type { RebuildResult } from '../rebuild/result.ts';
import { gatherSources } from '../rebuild/source-package.ts';
import { type Accepted, acceptResult } from '../steps/rebuild/accept-result.ts';
import { attemptJob } from '../steps/rebuild/attempt-job.ts';
import { checkMachine, type Verdict } from '../steps/rebuild/check-machine.ts';
import { buildArch, gatherJobs } from '../steps/rebuild/gather-jobs.ts';
import { readTreefile } from '../treefile/read.ts';

/** A configuration that has builders. */
export interface OpenBuilders {
  readonly config: Config;
  readonly builders: BuildersConfig;
}

export interface RebuildRequest {
  /** Files, URLs and folders of source packages. */
  readonly sources: readonly string[];
  /** .repo files that build roots are made of, absolute. */
  readonly repoFiles: readonly string[];
  /** The only machine to use. */
  readonly on?: string | undefined;
  /** Never to enter a repository, whatever its result. */
  readonly scratch: boolean;
  /** Also what was drawn to be built by another operator and may begin by then; seconds since 1970. */
  readonly due?: number | undefined;
}

/** How the build of one source package ended. */
export type Rebuilt = { readonly source: string } & (
  | {
      readonly result: RebuildResult;
      /** What it is worth; undefined where nothing is on record, for want of a key that states it. */
      readonly accepted?: Accepted | undefined;
    }
  | { readonly error: NightlyError }
);

/**
 * Builds source packages on the configured machines, one job a machine at a time. A machine is checked before each job and gets
 * nothing of it before the verdict; one that vanishes, hangs or is refused gives its job to another.
 * A result is taken, stated and drawn for as soon as it is here, and compared with those of others (steps/rebuild/accept-result.ts).
 * @returns what became of each, in the order of the sources, behind them what was drawn
 */
export async function rebuild(open: OpenBuilders, request: RebuildRequest, task: Task): Promise<Rebuilt[]> {
  const folder = rebuildFolder(open.config.work);
  const sources = await gatherSources(folder, request.sources, task);
  const machines = chosenMachines(open.builders, request.on);
  const queue = jobQueue();
  const jobs: Waiting[] = [];
  const done = new Map<string, Rebuilt>();
  const settle = (one: Waiting, outcome: Rebuilt) => done.set(one.job.job, outcome);
  const { scratch, due } = request;
  const { config, builders } = open;
  for (const { waiting, result } of await gatherJobs({
    work: config.work,
    builders,
    machines,
    sources,
    scratch,
    due,
  })) {
    const one = result === undefined ? waiting : await takenUp(open, waiting, result, settle, task);
    jobs.push(one);
    if (!done.has(one.job.job)) queue.add(one);
  }
  const worlds = worldsOf(open, request, task);
  await Promise.all(
    machines.map((machine) => serve(machine, { queue, machines, open, worlds, settle, cleared: new Set() }, task)),
  );
  for (const one of jobs)
    if (!done.has(one.job.job)) settle(one, { source: one.source.nevra, error: nobodyFor(one, machines) });
  return jobs.flatMap(({ job }) => done.get(job.job) ?? []);
}

/** Says that whoever asked for these was told what became of them: jobs that came to no result are taken up by a later run. */
export async function markRebuilt({ config }: OpenBuilders, all: readonly Rebuilt[]): Promise<void> {
  for (const one of all) if ('result' in one) await markTold(rebuildFolder(config.work), one.result.job);
}

/** What jobs are built in and machines compared with, each made once and when it is needed. */
interface Worlds {
  known(machine: MachineConfig): Promise<KnownGood>;
  root(one: Waiting, arch: string): Promise<BuildRoot>;
}

function worldsOf(open: OpenBuilders, { repoFiles }: RebuildRequest, task: Task): Worlds {
  const { config, builders } = open;
  const folder = rebuildFolder(config.work);
  const known = new Map<string, Promise<KnownGood>>();
  const roots = new Map<string, Promise<BuildRoot>>();
  // One after another: engine and cache are shared.
  const turn = pLimit(1);
  const once = <Value>(map: Map<string, Promise<Value>>, key: string, make: () => Promise<Value>): Promise<Value> => {
    const made = map.get(key) ?? turn(make);
    map.set(key, made);
    return made;
  };
  return {
    known: (machine) =>
      once(known, machine.image ?? `packages ${buildArch(machine)}`, () => knownGoodOf(open, machine, task)),
    root: ({ source, root }, arch) => {
      if (root !== undefined) return once(roots, root, () => earlierBuildRoot(folder, root, task));
      const packages = [...new Set([...builders.root, ...source.requires])].sort();
      return once(roots, [arch, ...packages].join('\n'), () =>
        makeBuildRoot({ folder, repoFiles, packages, arch }, task),
      );
    },
  };
}

/** What a machine is compared with: the newest commit of the stream whose image it was booted from, or packages. */
async function knownGoodOf({ config, builders }: OpenBuilders, machine: MachineConfig, task: Task): Promise<KnownGood> {
  const folder = rebuildFolder(config.work);
  const arch = buildArch(machine);
  if (machine.image === undefined) {
    return knownFromPackages({ folder, repoFiles: builders.knownGood, arch }, task);
  }
  const stream = findStream(config, machine.image);
  const treefile =
    stream.ref === undefined ? await readTreefile(stream.treefile, { basearch: stream.arch }) : undefined;
  const ref = refOf(config, stream, treefile?.values.ref);
  const repo = join(config.work, 'repo');
  const commit = await wholeCommitAt(await openLocalRepo(repo), ref);
  return knownFromCommit({ repo, commit, folder }, task);
}

interface Serving {
  readonly queue: JobQueue;
  readonly machines: readonly MachineConfig[];
  readonly open: OpenBuilders;
  readonly worlds: Worlds;
  readonly settle: (one: Waiting, outcome: Rebuilt) => void;
  /** Whether what earlier runs left on the machine is gone. */
  readonly cleared: Set<string>;
}

/** Has one machine build what waits, until nothing is left for it. */
async function serve(config: MachineConfig, serving: Serving, task: Task): Promise<void> {
  const { queue, settle } = serving;
  for (;;) {
    const one = await queue.take(config.name);
    if (one === undefined) return;
    try {
      const { open, worlds, cleared } = serving;
      const { stallSeconds, keep } = open.builders;
      const held = { work: open.config.work, stallSeconds, keepRoots: keep.roots };
      const world = { known: () => worlds.known(config), root: () => worlds.root(one, buildArch(config)), cleared };
      const result = await attemptJob(config, one, { ...held, ...world }, task);
      settle(one, await taken(serving.open, one, result, task));
    } catch (thrown) {
      task.signal.throwIfAborted();
      const full = diskFullHere(thrown, serving.open.config.work);
      if (full) {
        settle(one, { source: one.source.nevra, error: full });
        continue;
      }
      const error = asNightlyError(thrown);
      one.tried.set(config.name, error);
      task.say(`${config.name} does not build ${one.source.nevra}: ${error.message}`);
      if (serving.machines.some(({ name }) => !one.tried.has(name))) queue.add(one);
      else settle(one, { source: one.source.nevra, error: nobodyFor(one, serving.machines) });
    } finally {
      queue.done(one);
    }
  }
}

/** Returns the failure of a full disk of this machine: no fault of a builder, and nothing that another one would do better. */
function diskFullHere(thrown: unknown, work: string): NightlyError | undefined {
  const near = [work, systemTemporary()];
  const error = withFullDisk(asNightlyError(thrown, near), near);
  return error.code === 'disk-full' && (isFullDisk(thrown) || fullAmong(near).length > 0) ? error : undefined;
}

/** Takes a result on record. One that cannot be taken is no reason to have another machine build the same. */
async function taken(
  { config, builders }: OpenBuilders,
  one: Waiting,
  result: RebuildResult,
  task: Task,
): Promise<Rebuilt> {
  const { nevra } = one.source;
  if (builders.statement === undefined) return { source: nevra, result };
  try {
    return { source: nevra, result, accepted: await acceptResult({ ...config, builders }, result, task) };
  } catch (error) {
    task.signal.throwIfAborted();
    return { source: nevra, error: asNightlyError(error) };
  }
}

/** Puts a result on record that a run was killed before, or before it told of it. Where it does not count (any more), the package is built anew. */
async function takenUp(
  open: OpenBuilders,
  one: Waiting,
  result: RebuildResult,
  settle: Serving['settle'],
  task: Task,
): Promise<Waiting> {
  const outcome = await taken(open, one, result, task);
  if (!('error' in outcome && ['verify', 'package-missing'].includes(outcome.error.code))) {
    settle(one, outcome);
    return one;
  }
  task.say(`${one.source.nevra}: the result of job ${result.job} does not count: ${outcome.error.message}`);
  const { duplicateOf, scratch } = one.job;
  if (duplicateOf !== undefined) {
    settle(one, outcome);
    return one;
  }
  const folder = rebuildFolder(open.config.work);
  await markTold(folder, one.job.job);
  return { ...one, job: await createJob(folder, one.source, { scratch }) };
}

/** Checks one machine without giving it anything. @throws NightlyError `usage`, `builder-unreachable`, `builder-host-key`, `gate-failed`. */
export async function checkBuilder(open: OpenBuilders, name: string, task: Task): Promise<Verdict> {
  const [machine] = chosenMachines(open.builders, name);
  if (machine === undefined) throw new NightlyError('bug', `There is no builder "${name}".`);
  const { work } = open.config;
  const known = () => knownGoodOf(open, machine, task);
  const opened = await openMachine(machine, work, task);
  try {
    return await checkMachine(opened, { work, known }, task);
  } finally {
    opened.close();
  }
}

function chosenMachines({ machines }: BuildersConfig, name: string | undefined): readonly MachineConfig[] {
  if (name === undefined) return machines;
  const found = machines.filter((one) => one.name === name);
  if (found.length > 0) return found;
  throw new NightlyError('usage', `There is no builder "${name}".`, {
    hint: `Builders: ${machines.map((one) => one.name).join(', ')}.`,
  });
}

/** Why no machine has built a package: every one's own reason. */
function nobodyFor({ source, tried }: Waiting, machines: readonly MachineConfig[]): NightlyError {
  const reasons = machines.map(({ name }) => `  ${name}: ${tried.get(name)?.message ?? 'was not asked'}`);
  const errors = [...tried.values()];
  const code =
    errors.length > 0 && errors.every((one) => one.code === 'gate-failed') ? 'gate-failed' : 'builder-unreachable';
  const [first] = errors;
  return new NightlyError(code, [`No machine has built ${source.nevra}:`, ...reasons].join('\n'), {
    ...(first?.hint === undefined ? {} : { hint: first.hint }),
    cause: first,
  });
}
