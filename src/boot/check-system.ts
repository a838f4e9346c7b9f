import { shellWord } from '../base/quoting.ts';
import type { Task } from '../base/task.ts';
import type { Deployment } from '../programs/ostree-admin.ts';
import type { Vm } from './boot-image.ts';
import { deploymentsOf, inGuest } from './in-guest.ts';
import { machineFault } from './serial-log.ts';

/** A unit that may have failed, and why that is no fault of the tree. */
export interface AllowedUnit {
  readonly unit: string;
  readonly reason: string;
}

export interface SystemExpectation {
  readonly commit: string;
  readonly version: string;
  readonly allowDegraded: readonly AllowedUnit[];
  /** Time limit for start-up jobs that still run after the first login. Default: 180. */
  readonly timeoutSeconds?: number;
}

export interface SystemState {
  readonly state: 'running' | 'degraded';
  readonly failedUnits: readonly AllowedUnit[];
  readonly deployments: readonly Deployment[];
  readonly seconds: number;
}

/**
 * Waits until the guest has finished starting and looks at it: systemd says `running`, or `degraded` by none but the
 * allowed units, and the booted deployment is that commit and version.
 * @throws NightlyError `gate-failed`
 */
export async function checkSystem(vm: Vm, expected: SystemExpectation, task: Task): Promise<SystemState> {
  const started = performance.now();
  const deployments = await deploymentsOf(vm, task);
  const booted = deployments.find((deployment) => deployment.booted);
  if (booted?.commit !== expected.commit || booted.version !== expected.version) {
    throw await machineFault(
      vm,
      `The machine runs ${describe(booted)}, not ${describe(expected)} ("ostree admin status" in the guest).`,
    );
  }
  const timeoutSeconds = expected.timeoutSeconds ?? 180;
  const { stdout } = await inGuest(
    vm,
    // --wait has no limit of its own; exit codes other than 0 only repeat the word.
    `timeout ${timeoutSeconds} systemctl is-system-running --wait || systemctl is-system-running || true`,
    task,
    { timeoutSeconds: timeoutSeconds + 30 },
  );
  const state = stdout.trim().split('\n').at(-1) ?? '';
  const failed = state === 'running' ? [] : await failedUnits(vm, task);
  const allowed = expected.allowDegraded.filter(({ unit }) => failed.includes(unit));
  const unexpected = failed.filter((unit) => !allowed.some((entry) => entry.unit === unit));
  if ((state !== 'running' && state !== 'degraded') || unexpected.length > 0) {
    const jobs = await inGuest(vm, 'systemctl list-jobs --no-pager --no-legend', task);
    const why = [
      ...(unexpected.length === 0 ? [] : [`Failed: ${unexpected.join(', ')}.`]),
      ...(jobs.stdout.trim() === '' ? [] : [`Still waiting: ${jobs.stdout.trim()}.`]),
      ...(unexpected.length === 0 ? [] : [await journalOf(vm, unexpected, task)]),
    ];
    throw await machineFault(vm, `The machine came up ${state || 'in no state systemd names'}. ${why.join('\n')}`);
  }
  for (const { unit, reason } of allowed) task.say(`${unit} failed, as allowed: ${reason}`);
  return {
    state: state === 'running' ? 'running' : 'degraded',
    failedUnits: allowed,
    deployments,
    seconds: (performance.now() - started) / 1000,
  };
}

async function failedUnits(vm: Vm, task: Task): Promise<string[]> {
  const { stdout } = await inGuest(vm, 'systemctl list-units --state=failed --plain --no-legend --no-pager', task);
  return stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/)[0] ?? '')
    .filter((unit) => unit !== '');
}

async function journalOf(vm: Vm, units: readonly string[], task: Task): Promise<string> {
  const names = units.map((unit) => `-u ${shellWord(unit)}`).join(' ');
  return (await inGuest(vm, `sudo journalctl -b --no-pager -n 20 -o cat ${names}`, task)).stdout.trim();
}

function describe(what: { readonly commit: string; readonly version?: string | undefined } | undefined): string {
  return what ? `${what.version ?? 'no version'} (${what.commit.slice(0, 12)})` : 'no deployment';
}
