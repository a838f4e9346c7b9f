import { existsSync } from 'node:fs';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import { formatBytes } from '../../base/format.ts';
import { tableLines } from '../../base/table.ts';
import { whileTagsStay } from '../../build/build-tags.ts';
import { loadConfig } from '../../config/load.ts';
import { rebuildFolder } from '../../rebuild/rebuild-folder.ts';
import { takeRunLock } from '../../run/run-lock.ts';
import { findBuildRoots, findGarbage } from '../../steps/collect/find-garbage.ts';
import { findOldJobs } from '../../steps/collect/find-old-jobs.ts';
import type { Garbage } from '../../steps/collect/garbage.ts';
import { removeGarbage } from '../../steps/collect/remove-garbage.ts';
import type { RunContext } from '../context.ts';
import { defineCommand } from '../define.ts';
import { flag } from '../inputs.ts';
import { preparationTask } from '../open-run.ts';
import { printJson } from '../print.ts';
import { withSteps } from '../with-steps.ts';

interface Found {
  readonly items: readonly Garbage[];
  readonly notes: readonly string[];
}

/** `atomic-nightly gc`: frees the work folder of what no build, resume or promotion needs. Targets stay as they are. */
export const gc = defineCommand({
  name: 'gc',
  section: 'Looking at builds',
  summary: 'delete from the work folder what no build, resume or promotion needs: docs/retention.md',
  options: {
    dryRun: flag('print what would be deleted and the bytes that frees; change nothing'),
    json: flag('for scripts'),
  },
  notes:
    'Targets are pruned by "prune". Records and logs of builds stay. One that was killed is continued by the next.',
  examples: ['atomic-nightly gc --dry-run', 'atomic-nightly gc --json | jq .bytes'],
  interruptible: true,
  async run({ dryRun, json }, context) {
    const config = await loadConfig(context.config);
    const { work, builders } = config;
    const { print } = context;
    await makeFolder(work);
    const own = await whileTagsStay(
      work,
      (tags) => collect(work, work, { dryRun, context }, () => findGarbage(config, tags)),
      preparationTask({ config }, context.signal),
    );
    const roots = existsSync(rebuildFolder(work))
      ? await collect(work, rebuildFolder(work), { dryRun, context }, async () => ({
          items: [
            ...(await findBuildRoots(work)),
            ...(builders ? await findOldJobs({ ...config, builders }, Date.now() / 1000) : []),
          ],
          notes: [],
        })).catch(whileRebuilding)
      : { items: [], notes: [] };
    const items = [...own.items, ...roots.items];
    const notes = [...own.notes, ...roots.notes];
    const bytes = items.reduce((sum, item) => sum + item.bytes, 0);
    if (json) {
      const shown = items.map(({ kind, path, bytes: each, why }) => ({ kind, path, bytes: each, why }));
      printJson({ dryRun, bytes, items: shown, notes }, print);
      return 0;
    }
    const rows = items.map(({ kind, path, bytes: each, why }) => [kind, formatBytes(each), path, why]);
    if (items.length > 0) for (const line of tableLines([['WHAT', 'FREES', 'PATH', 'WHY'], ...rows])) print(line);
    for (const note of notes) print(note);
    const did = dryRun ? 'Would free' : 'Freed';
    print(items.length === 0 ? 'Nothing can go.' : `${did} ${formatBytes(bytes)}.`);
    return 0;
  },
});

/** Finds and removes while a lock is held. @param locked folder of the lock, for those who change what is found */
async function collect(
  work: string,
  locked: string,
  { dryRun, context }: { readonly dryRun: boolean; readonly context: RunContext },
  find: () => Promise<Found>,
): Promise<Found> {
  const lock = await takeRunLock(locked, 'gc');
  try {
    const found = await find();
    if (dryRun || found.items.length === 0) return found;
    await withSteps(locked, context, (runner) =>
      runner.step('gc', {}, async (task) => {
        await removeGarbage(work, found.items, task);
        return {};
      }),
    );
    return found;
  } finally {
    await lock.release();
  }
}

function whileRebuilding(error: unknown): Found {
  if (!(error instanceof NightlyError && error.code === 'locked')) throw error;
  return { items: [], notes: ['Build roots and jobs stay: packages are being rebuilt.'] };
}
