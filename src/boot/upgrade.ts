import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import type { Vm } from './boot-image.ts';
import { thisBoot, waitForSsh } from './boot-wait.ts';
import { checkSystem, type SystemExpectation } from './check-system.ts';
import { deploymentsOf, inGuest } from './in-guest.ts';
import { machineFault } from './serial-log.ts';

export interface UpgradeRequest {
  /** What the machine runs now, and what it must run after the upgrade. */
  readonly from: SystemExpectation;
  readonly to: SystemExpectation;
  /** Time limit for each reboot, until ssh accepts a login again. */
  readonly timeoutSeconds: number;
}

/** Seconds of each stage, in order. */
export type Timings = readonly { readonly stage: string; readonly seconds: number }[];

/**
 * Does what a person does with a new build: `ostree admin upgrade` over HTTP, reboot into it, look; go back, reboot,
 * look.
 * @throws NightlyError `gate-failed`, `tool-failed`.
 */
export async function upgradeAndRollback(vm: Vm, request: UpgradeRequest, task: Task): Promise<Timings> {
  const timings: { readonly stage: string; readonly seconds: number }[] = [];
  const stage = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    const started = performance.now();
    await work();
    const seconds = (performance.now() - started) / 1000;
    timings.push({ stage: name, seconds });
    task.say(`${name}: ${seconds.toFixed(1)} s`);
  };
  await stage('upgrade', () => upgrade(vm, request.to, task));
  await stage('reboot into the new version', () => reboot(vm, request.timeoutSeconds, task));
  await stage('check the new version', () => checkSystem(vm, request.to, task));
  await stage('rollback', () => rollBack(vm, request.from.commit, task));
  await stage('reboot into the old version', () => reboot(vm, request.timeoutSeconds, task));
  await stage('check the old version', () => checkSystem(vm, request.from, task));
  return timings;
}

/**
 * Pulls and deploys what the machine's remote has now; or that very commit of its ref, where the ref may have moved on since.
 * @throws NightlyError `gate-failed` when it is another commit.
 */
export async function upgrade(
  vm: Vm,
  to: { readonly commit: string; readonly version: string; readonly isOld?: boolean },
  task: Task,
): Promise<void> {
  const which = to.isOld ? ` --override-commit=${to.commit}` : '';
  const { stdout } = await inGuest(vm, `sudo ostree admin upgrade${which}`, task, { timeoutSeconds: 900 });
  const [next] = await deploymentsOf(vm, task);
  if (next?.commit === to.commit) return;
  throw await machineFault(
    vm,
    `After the upgrade the machine would boot ${next?.version ?? 'nothing'}, not ${to.version}. ostree said: ${stdout.trim()}`,
  );
}

/** Restarts the guest and waits for its next boot. @returns seconds until a login over ssh succeeded. */
export async function reboot(vm: Vm, timeoutSeconds: number, task: Task): Promise<number> {
  const started = performance.now();
  const before = await thisBoot(vm, task);
  // The connection may break before the command's exit code arrives.
  await inGuest(vm, 'sudo systemctl reboot', task, { okExitCodes: [0, 255] });
  await waitForSsh(vm, timeoutSeconds, task, before);
  return (performance.now() - started) / 1000;
}

/**
 * Makes the older deployment of that commit the next to boot, by the best means the guest has: rpm-ostree reorders the
 * deployments, as does newer ostree (`set-default`); ostree before that deploys the older commit once more, keeping
 * what it follows.
 * @throws NightlyError `not-found` when the guest has no such deployment.
 */
export async function rollBack(vm: Vm, commit: string, task: Task): Promise<void> {
  const before = await deploymentsOf(vm, task);
  const index = before.findIndex((deployment) => deployment.commit === commit && !deployment.booted);
  const older = before[index];
  if (older === undefined) {
    throw new NightlyError('not-found', `The machine has no older deployment of ${commit}.`, {
      hint: '"ostree admin status" in the guest lists its deployments.',
    });
  }
  const origin = `/ostree/deploy/${older.osName}/deploy/${older.commit}.${older.serial}.origin`;
  const { stdout } = await inGuest(
    vm,
    [
      'set -e',
      'if command -v rpm-ostree >/dev/null; then sudo rpm-ostree rollback',
      `elif ostree admin --help | grep -q '^  set-default'; then sudo ostree admin set-default ${index}`,
      `else sudo ostree admin deploy --os=${older.osName} --origin-file=${origin} ${older.commit}`,
      'fi',
    ].join('\n'),
    task,
    { timeoutSeconds: 600 },
  );
  const [next] = await deploymentsOf(vm, task);
  if (next?.commit === commit) return;
  throw await machineFault(vm, `After the rollback the machine would not boot ${commit}. It said: ${stdout.trim()}`);
}
