import { NightlyError } from '../base/errors.ts';
import { formatCount } from '../base/format.ts';
import type { Task } from '../base/task.ts';
import type { Config } from '../config/config.ts';
import { formatVkey } from '../log/note-keys.ts';
import { readLogHead } from '../publish/log/log-files.ts';
import { logStatePath, readLogState } from '../publish/log/log-state.ts';
import { readPolicy } from '../publish/log/witness-log.ts';
import { openLogKey } from '../signing/log-key.ts';
import { openTarget } from '../targets/open-target.ts';
import type { CheckResult } from './doctor-check.ts';

/** Whether the key of the release log is there and nobody else can read it, and the log at its home is what was signed here. */
export async function checkReleaseLog(config: Config, task: Task): Promise<CheckResult[]> {
  const { log, work, targets } = config;
  const home = log && targets[log.home];
  if (log === undefined || home === undefined) return [];
  const name = 'release log';
  try {
    const key = await openLogKey(log);
    await readPolicy(log);
    const state = await readLogState(logStatePath(work), log.origin);
    const { checkpoint } = await readLogHead(openTarget(home), { log: key }, task);
    if (state === undefined && checkpoint.size === 0) {
      return [{ name, state: 'missing', detail: 'it was not begun yet. Run "atomic-nightly log init".' }];
    }
    const entries = formatCount(checkpoint.size, 'entry', 'entries');
    const known = state?.pending?.from.size ?? state?.signed.size ?? 0;
    if (checkpoint.size < known) {
      const detail = `target ${home.name} has ${entries}, and this machine signed ${known}: it went back. See docs/release-log.md.`;
      return [{ name, state: 'missing', detail }];
    }
    if (state === undefined) {
      const detail = `${entries}; ${logStatePath(work)} is not there, so the next append trusts what target ${home.name} has`;
      return [{ name, state: 'note', detail }];
    }
    return [{ name, state: 'ok', detail: `${entries}, ${formatVkey(key)}` }];
  } catch (error) {
    task.signal.throwIfAborted();
    if (!(error instanceof NightlyError)) throw error;
    return [{ name, state: 'missing', detail: error.hint ? `${error.message} ${error.hint}` : error.message }];
  }
}
