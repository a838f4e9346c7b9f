import { inBatches } from '../../base/batches.ts';
import { NightlyError } from '../../base/errors.ts';
import { formatCount } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import { REPOMD } from '../../rpm/repository/package-digests.ts';
import { type RpmsPlace, readNamedThere, readPublishedNames, writePublishedNames } from './published-names.ts';

export interface Retired {
  /** Paths of the files that were removed, relative to the repository. */
  readonly removed: readonly string[];
  /** How many files wait for the end of their time. */
  readonly waiting: number;
}

/** Files removed in one round trip. */
const TOGETHER = 500;

/**
 * Removes packages and metadata files from a target that its repomd.xml has not named for a while: mirrors and clients may still have the
 * metadata that did (C5). What it names is read from the target at this moment; when that cannot be read, nothing is removed
 * (C6). A removed package stays remembered: its name is never used for other bytes (C4).
 * @param graceSeconds how long a file stays that nothing names
 * @param now seconds since the epoch, by a clock that was checked; one that went back removes nothing
 * @throws NightlyError `verify` when the metadata on the target cannot be read; those of the target.
 */
export async function retireRpms(
  place: RpmsPlace,
  { graceSeconds, now }: { readonly graceSeconds: number; readonly now: number },
  task: Task,
): Promise<Retired> {
  const { target, folder, memory } = place;
  const content = await target.read(`${folder}/${REPOMD}`, task);
  const known = await readPublishedNames(place, now, task, { repomd: content });
  const due = [...known.left].filter(([, since]) => now - since >= graceSeconds).map(([path]) => path);
  if (due.length === 0) return { removed: [], waiting: known.left.size };
  const named = content && (await readNamedThere(content, place, task));
  if (!named) {
    throw new NightlyError(
      'verify',
      `${folder}/${REPOMD} on target "${target.name}" names metadata that cannot be read.`,
      {
        hint: 'Nothing was removed. Publish the repository again, then packages that left it are removed.',
      },
    );
  }
  const removed = due.filter((path) => !named.packages.has(path) && !named.metadata.includes(path));
  const [left, gone] = [new Map(known.left), new Set(known.gone)];
  for (const batch of inBatches(removed, TOGETHER)) {
    await target.remove(
      batch.map((path) => `${folder}/${path}`),
      task,
    );
    for (const path of batch) {
      left.delete(path);
      if (known.packages.has(path)) gone.add(path);
    }
    await writePublishedNames(memory, { ...known, left, gone });
  }
  if (removed.length > 0)
    task.say(
      `removed ${formatCount(removed.length, 'file')} from ${target.describe()}/${folder} that nothing names any more`,
    );
  return { removed, waiting: left.size };
}
