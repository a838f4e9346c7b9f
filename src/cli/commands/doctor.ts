import { mkdtemp, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { readTextIfExists } from '../../base/files.ts';
import { quietTask, type Task } from '../../base/task.ts';
import { temporaryPrefix } from '../../base/temporary.ts';
import type { Config } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { servedTargets } from '../../config/served-targets.ts';
import { checkAddresses } from '../../doctor/check-addresses.ts';
import {
  checkClock,
  checkFolderEngines,
  checkKvm,
  checkNamedFiles,
  checkRpmOstree,
  checkRpmOstrees,
  checkSpace,
  checkWatching,
} from '../../doctor/check-host.ts';
import { checkKoji } from '../../doctor/check-koji.ts';
import { checkSinks } from '../../doctor/check-notify.ts';
import { checkReleaseLog } from '../../doctor/check-release-log.ts';
import { checkListener } from '../../doctor/check-service.ts';
import { checkSigning, checkStatements } from '../../doctor/check-signing.ts';
import { checkTarget } from '../../doctor/check-targets.ts';
import type { CheckResult } from '../../doctor/doctor-check.ts';
import { installCommands, reportLines } from '../../doctor/doctor-report.ts';
import { checkPrograms } from '../../doctor/known-programs.ts';
import { allNeeds, needsOf } from '../../doctor/needs.ts';
import { checkRecords } from '../../doctor/records.ts';
import { findProgram } from '../../programs/find-program.ts';
import { isServiceRunning } from '../../service/service-lock.ts';
import { defineCommand } from '../define.ts';
import { flag } from '../inputs.ts';

/**
 * Checks that this machine can do what the configuration asks for; without a configuration file, all that can be checked
 * without one. Exit code 0: everything needed is there.
 */
export const doctor = defineCommand({
  name: 'doctor',
  section: 'Setting up',
  summary:
    'check programs, versions, disk space, KVM, targets and notification sinks; print the command that installs what is missing',
  options: { json: flag('for scripts') },
  examples: ['atomic-nightly doctor', 'atomic-nightly doctor --json | jq .checks'],
  interruptible: true,
  async run({ json }, { config, signal, print }) {
    const folder = await mkdtemp(temporaryPrefix('doctor'));
    const task = quietTask(join(folder, 'log'), signal);
    try {
      const checks = await examine(config, task);
      const ok = checks.every(({ state }) => state !== 'missing');
      if (json) print(JSON.stringify({ ok, checks, install: installCommands(checks) }, null, 2));
      else print(reportLines(checks).join('\n'));
      return ok ? 0 : 1;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
});

async function examine(path: string, task: Task): Promise<CheckResult[]> {
  const { result, config } = await checkConfig(path);
  const rpmOstree = (await findProgram('rpm-ostree')) !== undefined;
  const needs = config ? await needsOf(config, rpmOstree) : allNeeds(rpmOstree, await isDebian());
  const programs = await checkPrograms(needs);
  return [
    result,
    ...(needs.has('engine rpm-ostree')
      ? await (config ? checkRpmOstrees(config, rpmOstree) : checkRpmOstree(['rpm-ostree'], []))
      : []),
    ...programs,
    await checkSpace(config?.work ?? dirname(resolve(path))),
    ...(config ? await checkClock(config, task) : []),
    ...(config ? await checkRecords(config) : []),
    ...(needs.has('smoke test') || needs.has('images') ? [await checkKvm()] : []),
    ...(needs.has('engine dnf') ? [await checkWatching(task)] : []),
    ...(config ? await checkFolderEngines(config) : []),
    ...(config ? await checkNamedFiles(config) : []),
    ...(config ? await checkSigning(config, task) : []),
    ...(config ? await checkStatements(config) : []),
    ...(config ? await checkReleaseLog(config, task) : []),
    ...(config ? await checkKoji(config, task) : []),
    ...(config && usesService(config)
      ? [...(await checkListener(config)), ...(await checkAddresses(config, await isServiceRunning(config.work)))]
      : []),
    ...(config ? await checkSinks(config, task) : []),
    ...(config ? (await Promise.all(Object.values(config.targets).map((one) => checkTarget(one, task)))).flat() : []),
  ];
}

async function checkConfig(path: string): Promise<{ result: CheckResult; config?: Config }> {
  const name = 'configuration';
  if ((await readTextIfExists(path)) === undefined) {
    const detail = `there is no ${path}; everything is checked. "atomic-nightly init" writes one`;
    return { result: { name, state: 'note', detail } };
  }
  try {
    const config = await loadConfig(path);
    return { result: { name, state: 'ok', detail: config.path }, config };
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    return { result: { name, state: 'missing', detail: error.message } };
  }
}

/** A configuration without schedules, hooks and targets to serve is for the command line. */
function usesService({ streams, service, targets }: Config): boolean {
  const hooks = service.tokenHashFile !== undefined || service.mqtt !== undefined;
  return (
    hooks ||
    servedTargets({ targets }).length > 0 ||
    Object.values(streams).some(({ schedule }) => schedule !== undefined)
  );
}

async function isDebian(): Promise<boolean> {
  const release = (await readTextIfExists('/etc/os-release')) ?? '';
  return /^ID(?:_LIKE)?=.*\bdebian\b/m.test(release);
}
