import { asNightlyError } from '../base/as-nightly-error.ts';
import type { Task } from '../base/task.ts';
import type { Config } from '../config/config.ts';
import { openSink } from '../reports/notify/open-sinks.ts';
import type { CheckResult } from './doctor-check.ts';

const LIMIT_MS = 15_000;

/** Whether each sink can be reached and logged into. Nobody gets a message. */
export async function checkSinks({ notify }: Config, task: Task): Promise<CheckResult[]> {
  return Promise.all(
    notify.map(async (config): Promise<CheckResult> => {
      const name = `sink ${config.name}`;
      try {
        const sink = await openSink(config);
        await sink.check(AbortSignal.any([task.signal, AbortSignal.timeout(LIMIT_MS)]));
        return { name, state: 'ok', detail: sink.describe() };
      } catch (error) {
        task.signal.throwIfAborted();
        return { name, state: 'missing', detail: asNightlyError(error).message };
      }
    }),
  );
}
