import { NightlyError } from '../base/errors.ts';
import { makeFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { loadConfig } from '../config/load.ts';
import { keepsLog, type LoggedConfig, openReleaseLog, type ReleaseLog } from '../publish/log/release-log.ts';
import { takeRunLock } from '../run/run-lock.ts';
import type { RunContext } from './context.ts';
import { withSteps } from './with-steps.ts';

/** Loads a configuration that keeps a log. @throws NightlyError `config`. */
export async function loadLoggedConfig(path: string): Promise<LoggedConfig> {
  const config = await loadConfig(path);
  if (keepsLog(config)) return config;
  throw new NightlyError('config', `${path} keeps no release log.`, {
    hint: 'Add "log: {home: TARGET, key-file: FILE}" to it, then run "atomic-nightly log init": docs/release-log.md.',
  });
}

/** Opens the log of a configuration for writing, and holds the run lock meanwhile. */
export async function withLockedLog<Result>(
  context: RunContext,
  { config, step }: { readonly config: LoggedConfig; readonly step: string },
  work: (log: ReleaseLog, task: Task) => Promise<Result>,
): Promise<Result> {
  await makeFolder(config.work);
  const lock = await takeRunLock(config.work, step.replace('-', ' '));
  try {
    return await withSteps(config.work, context, (runner) =>
      runner.step(step, {}, async (task) => work(await openReleaseLog(config), task)),
    );
  } finally {
    await lock.release();
  }
}
