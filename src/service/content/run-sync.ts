import { z } from 'zod';
import { oneLine } from '../../base/one-line.ts';
import type { Task } from '../../base/task.ts';
import { EXIT } from '../../build/outcomes.ts';
import type { Config } from '../../config/config.ts';
import type { SyncResult } from '../../content/tag-queue.ts';
import { run } from '../../programs/exec.ts';

/** How the sync of one tag ended. */
export interface TagOutcome {
  readonly tag: string;
  readonly state: SyncResult;
  /** What went wrong, where something did. */
  readonly reason?: string;
}

/** What `content sync --json` prints. */
const report = z.object({
  tags: z.array(
    z.discriminatedUnion('state', [
      z.object({ tag: z.string(), state: z.enum(['published', 'made', 'unchanged']) }),
      z.object({ tag: z.string(), state: z.literal('failed'), code: z.string(), message: z.string() }),
    ]),
  ),
});

/** All that it can end with and still say what became of each tag. */
const SAID = [EXIT.done, EXIT.failed, EXIT.usage, EXIT.unchanged, EXIT.locked, EXIT.gateFailed];

/** Codes of errors that trying again does not mend. */
const FOR_PEOPLE: ReadonlySet<string> = new Set(['config', 'gate-failed', 'usage']);

/**
 * Runs `content sync` in a process of its own, which a service that dies takes with it: whatever step it was in, the next
 * sync completes it (C7).
 * @throws NightlyError when it could not be run, or did not say what became of each tag.
 */
export async function runSync(config: Config, tags: readonly string[] | 'all', task: Task): Promise<TagOutcome[]> {
  const [program = '', script = ''] = process.argv;
  const which = tags === 'all' ? ['--all'] : tags;
  const args = [...process.execArgv, script, '--config', config.path, 'content', 'sync', '--json', ...which];
  const { stdout } = await run(program, args, { task, okExitCodes: SAID });
  return readSyncReport(stdout);
}

/** Reads what `content sync --json` printed. @throws SyntaxError, z.ZodError for anything else. */
function readSyncReport(stdout: string): TagOutcome[] {
  return report.parse(JSON.parse(stdout)).tags.map((one) => {
    if (one.state !== 'failed') return one;
    const state = one.code === 'locked' ? 'locked' : FOR_PEOPLE.has(one.code) ? 'refused' : 'failed';
    return { tag: one.tag, state, reason: oneLine(one.message) };
  });
}
