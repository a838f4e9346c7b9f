import { rm } from 'node:fs/promises';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { ANY_EXIT_CODE } from '../../programs/spawn.ts';
import { sshToThrowAway } from '../../programs/ssh.ts';
import { type BootRequest, bootImage, type Vm } from '../boot-image.ts';
import { type Artifact, parseArtifacts } from './artifacts.ts';
import type { PlannedGuest } from './guest-plan.ts';
import { collectCommand, setUpScript, type TestVariables } from './guest-side.ts';
import { runTest, type TestEnd } from './run-test.ts';
import type { GuestTest, TestFile } from './test-folder.ts';

/** What a guest's tests came to. */
export interface GuestResult extends Omit<TestEnd, 'isGuestGood'> {
  readonly test: GuestTest;
  readonly artifacts: readonly Artifact[];
  /** Absent where its guest did not boot. */
  readonly log?: string;
  readonly serialLog: string;
}

export interface GuestRun {
  readonly guest: PlannedGuest;
  readonly data: readonly TestFile[];
  readonly variables: TestVariables;
  readonly boot: Omit<BootRequest, 'serialLog'>;
  /** Path of the log of a test, and of the serial line of the guest that it is the first in. */
  logOf(test: GuestTest): string;
  serialLogOf(test: GuestTest): string;
}

/**
 * Boots a guest and runs its tests one after the other; after one that leaves the guest in no good state the rest get a fresh one.
 * A guest that does not boot fails the tests that were to run in it.
 */
export async function runGuest(run: GuestRun, task: Task): Promise<GuestResult[]> {
  const results: GuestResult[] = [];
  let left = [...run.guest.tests];
  while (left[0] !== undefined) {
    const found = await runUntilSpoiled(run, left, left[0], task);
    results.push(...found);
    left = left.slice(found.length);
  }
  return results;
}

async function runUntilSpoiled(
  run: GuestRun,
  tests: readonly GuestTest[],
  first: GuestTest,
  task: Task,
): Promise<GuestResult[]> {
  const serialLog = run.serialLogOf(first);
  await rm(serialLog, { force: true });
  let vm: Vm;
  try {
    vm = await bootImage({ ...run.boot, serialLog }, task);
  } catch (error) {
    if (!(error instanceof NightlyError) || error.code !== 'gate-failed') throw error;
    const failed = { verdict: 'failed', seconds: 0, reboots: 0, artifacts: [], serialLog } as const;
    return tests.map((test) => ({ ...failed, test, message: `Its guest did not boot. ${error.message}` }));
  }
  try {
    task.say(`The guest for ${tests.map(({ name }) => name).join(', ')} booted in ${Math.round(vm.bootSeconds)} s`);
    const script = setUpScript(tests, run.data, run.variables);
    await sshToThrowAway(vm.host, 'sudo sh', { input: script }, task);
    const results: GuestResult[] = [];
    for (const test of tests) {
      const { isGuestGood, ...end } = await runInGuest(run, vm, test, task);
      results.push({ ...end, test, serialLog, log: run.logOf(test) });
      if (!isGuestGood) break;
    }
    return results;
  } finally {
    await vm.stop();
  }
}

async function runInGuest(run: GuestRun, vm: Vm, test: GuestTest, task: Task) {
  const logFile = run.logOf(test);
  await rm(logFile, { force: true });
  const end = await runTest(vm, test, run.boot.timeoutSeconds, { ...task, logFile });
  task.say(`${test.name}: ${end.verdict} after ${end.seconds.toFixed(1)} s`);
  const artifacts = end.isGuestGood ? await collect(vm, test, end.verdict === 'failed', task) : [];
  return { ...end, artifacts };
}

/** What cannot be had of a guest is no reason to say otherwise how its test ended. */
async function collect(vm: Vm, { name }: GuestTest, isFailed: boolean, task: Task): Promise<Artifact[]> {
  const options = { okExitCodes: ANY_EXIT_CODE, timeoutMs: 600_000 };
  // Into no log: it is base64.
  const quiet = { ...task, logFile: '/dev/null' };
  const { stdout } = await sshToThrowAway(vm.host, collectCommand(name, isFailed), options, quiet);
  return parseArtifacts(stdout);
}
