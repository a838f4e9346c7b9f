import { join } from 'node:path';
import { makeFolder } from '../base/files.ts';
import { FORGETFUL, type Journal } from '../build/journal.ts';
import type { LogContext } from '../reports/progress/json-lines.ts';
import { selectListener } from '../reports/progress/select-listener.ts';
import { createRunner, type Runner } from '../run/runner.ts';
import type { RunContext } from './context.ts';

/**
 * Runs steps outside any build, shown as those of a build are and logged to `DIR/logs`.
 * @param journal where they are to be resumed from
 */
export async function withSteps<Result>(
  dir: string,
  options: Pick<RunContext, 'logFormat' | 'signal'> & { readonly about?: LogContext },
  work: (runner: Runner) => Promise<Result>,
  journal: Journal = FORGETFUL,
): Promise<Result> {
  await makeFolder(dir);
  const { listen, close } = selectListener(options.logFormat, process.stderr, options.about);
  try {
    return await work(createRunner({ journal, logDir: join(dir, 'logs'), signal: options.signal, listen }));
  } finally {
    close();
  }
}
