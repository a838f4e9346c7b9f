import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { type FarMachine, openMachine } from '../../builders/far-machine.ts';
import type { KnownGood } from '../../builders/known-file.ts';
import type { MachineConfig } from '../../config/builders.ts';
import type { BuildRoot } from '../../rebuild/build-root.ts';
import { levelOf } from '../../rebuild/builder-ledger.ts';
import { attemptFolder, beginAttempt, type Job } from '../../rebuild/job.ts';
import type { Waiting } from '../../rebuild/job-queue.ts';
import { rebuildFolder } from '../../rebuild/rebuild-folder.ts';
import type { RebuildResult } from '../../rebuild/result.ts';
import { checkMachine, requirePassed } from './check-machine.ts';
import { buildArch } from './gather-jobs.ts';
import { dropOver, finishAttempt, isUnderWay, runAttempt } from './run-attempt.ts';

/** What a machine is compared with, and what it builds in. */
export interface AttemptWorld {
  readonly work: string;
  readonly stallSeconds: number;
  /** Build roots that stay on a machine. */
  readonly keepRoots: number;
  known(): Promise<KnownGood>;
  root(): Promise<BuildRoot>;
  /** Machines on which nothing of earlier runs is left over. */
  readonly cleared: Set<string>;
}

/**
 * Has a machine build a job. What a run that was killed gave to it counts on, as long as it would be given the same today: nothing is
 * sent then. Otherwise the machine is checked first and gets nothing before the verdict.
 * @throws NightlyError `gate-failed`, `builder-unreachable`, `builder-host-key`, `verify`, those of the engine.
 */
export async function attemptJob(
  config: MachineConfig,
  one: Waiting,
  world: AttemptWorld,
  task: Task,
): Promise<RebuildResult> {
  if ((await levelOf(world.work, config.name)) === 'suspended')
    throw new NightlyError('gate-failed', `${config.name} is suspended, and gets no job.`);
  const machine = await openMachine(config, world.work, task);
  try {
    return await attemptOn(machine, one, world, task);
  } finally {
    machine.close();
  }
}

async function attemptOn(
  machine: FarMachine,
  one: Waiting,
  { work, stallSeconds, keepRoots, cleared, ...world }: AttemptWorld,
  task: Task,
): Promise<RebuildResult> {
  const { config } = machine;
  const folder = rebuildFolder(work);
  const arch = buildArch(config);
  if (!cleared.has(config.name)) await dropOver(machine, folder, task);
  cleared.add(config.name);
  const held = { folder, source: one.source, arch, stallSeconds, keepRoots };
  const { given, attempts } = one.job;
  if (given && attempts.at(-1) === config.name) {
    const { job } = one;
    const root = await world.root();
    if (given.root === root.commit && given.arch === arch && (await isUnderWay(machine, job, task))) {
      task.say(`${config.name}: taking up job ${job.job} of ${one.source.nevra}`);
      const request = { ...held, root, job, probe: given.probe, given };
      return orLetGo(machine, job, () => finishAttempt(machine, request, task), task);
    }
    await letGo(machine, job, task);
  }
  const job = await beginAttempt(folder, one.job, config.name);
  one.job = job;
  // The machine looks at itself while its root is made here.
  const [verdict, root] = await Promise.all([checkMachine(machine, { work, known: world.known }, task), world.root()]);
  await writeFileAtomic(join(attemptFolder(folder, job), 'probe.json'), verdict.text);
  requirePassed(config.name, verdict);
  const request = { ...held, root, job, probe: verdict.digest };
  return orLetGo(machine, job, () => runAttempt(machine, request, task), task);
}

async function orLetGo(
  machine: FarMachine,
  job: Job,
  build: () => Promise<RebuildResult>,
  task: Task,
): Promise<RebuildResult> {
  try {
    return await build();
  } catch (error) {
    // What an interrupted run leaves is taken up by the next.
    if (!task.signal.aborted) await letGo(machine, job, task);
    throw error;
  }
}

/** Ends what may be left of a job on a machine that has lost it; it may not hear. */
async function letGo(machine: FarMachine, { job }: Job, task: Task): Promise<void> {
  await machine.call('drop', [job], task, { stallSeconds: 10 }).catch(() => undefined);
}
