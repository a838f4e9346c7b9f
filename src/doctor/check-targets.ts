import { NightlyError } from '../base/errors.ts';
import { httpFetch } from '../base/http.ts';
import { startHintFor } from '../base/served-here.ts';
import type { Task } from '../base/task.ts';
import type { TargetConfig } from '../config/config.ts';
import { openTarget } from '../targets/open-target.ts';
import type { CheckResult } from './doctor-check.ts';

/** Whether a target can be reached and written to, and whether something answers at its public URL. */
export async function checkTarget(config: TargetConfig, task: Task): Promise<CheckResult[]> {
  return await Promise.all([checkWriting(config, task), checkUrl(config, task.signal)]);
}

async function checkWriting(config: TargetConfig, task: Task): Promise<CheckResult> {
  const name = `target ${config.name}`;
  const target = openTarget(config);
  try {
    await target.check(task);
    return { name, state: 'ok', detail: target.describe() };
  } catch (error) {
    if (!(error instanceof NightlyError) || error.code === 'interrupted') throw error;
    return { name, state: 'missing', detail: error.hint ? `${error.message} ${error.hint}` : error.message };
  }
}

/** What to do where no other command of this program serves the folder. */
const START = 'Start the web server of the target, or correct its url: docs/targets.md.';

/** Any answer will do, also "not found": there may be nothing published yet. */
async function checkUrl({ name, url }: TargetConfig, signal: AbortSignal): Promise<CheckResult> {
  const label = `URL of ${name}`;
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
    const response = await httpFetch(`${url}/`, { method: 'HEAD', redirect: 'manual', signal: limit });
    if (response.status >= 500) return { name: label, state: 'missing', detail: `${url} answers ${response.status}` };
    return { name: label, state: 'ok', detail: `${url} answers ${response.status}` };
  } catch (error) {
    signal.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    return {
      name: label,
      state: 'missing',
      detail: `${url} does not answer (${why}); publishing is verified from there. ${startHintFor(why) ?? START}`,
    };
  }
}
