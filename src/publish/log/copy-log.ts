import { inBatches } from '../../base/batches.ts';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { changedTiles, verifiedFile } from '../../log/changed-files.ts';
import type { NoteKey } from '../../log/note-keys.ts';
import { openTileTree, type TileTree } from '../../log/tile-tree.ts';
import { CHECKPOINT_PATH, logPath } from '../../published/paths.ts';
import type { Target } from '../../targets/target.ts';
import { swapWithRetry } from '../swap-with-retry.ts';
import { type LogHead, logHead, logReader, readLogHead } from './log-files.ts';
import { requireContinues, rolledBack } from './same-log.ts';

/** Files put at a time: a few MB, of entries of the usual length. */
const TOGETHER = 64;

/**
 * Brings the copy of a log on a target up to what its home has: tiles and entries, the checkpoint last. What it gets was hashed
 * up to the root first.
 * @param head of the log at home
 * @throws NightlyError `log`; `log-rolled-back` when the copy has more than the home, `log-split` when it is another log;
 *   `target-moved`, `locked`, those of the targets.
 */
export async function copyLog(
  { home, head, key }: { readonly home: Target; readonly head: LogHead; readonly key: NoteKey },
  copy: Target,
  task: Task,
): Promise<void> {
  const { note } = head;
  if (note === undefined) return;
  let tree: TileTree | undefined;
  const open = async () =>
    (tree ??= await openTileTree(logReader(home, task), head.checkpoint, `target "${home.name}", log`));
  let late = false;
  await swapWithRetry(
    async () => {
      const there = await copy.read(CHECKPOINT_PATH, task);
      if (there && note.equals(there)) return undefined;
      const known = readable(there, key, copy);
      if (there && known === undefined) {
        task.say(`the log on ${copy.name} has no readable checkpoint; copying the whole log there again`);
      }
      const from = known?.checkpoint ?? { size: 0 };
      const { size } = head.checkpoint;
      if (known && known.checkpoint.size >= size) {
        // Somebody else was faster, or the home went back.
        const now = await readLogHead(home, { log: key }, task);
        const seen = { known: known.checkpoint, seenAt: `its copy on target "${copy.name}" has` };
        if (now.checkpoint.size < known.checkpoint.size) {
          throw rolledBack({ ...seen, size: now.checkpoint.size }, home);
        }
        late = now.checkpoint.size > size;
      }
      if (late) return undefined;
      const source = await open();
      if (known) {
        await requireContinues(known.checkpoint, source, {
          target: home,
          seenAt: `its copy on target "${copy.name}" has`,
        });
      }
      const expect = [{ path: CHECKPOINT_PATH, content: there }];
      const batches = [...inBatches(changedTiles(from.size, size), TOGETHER)];
      const last = batches.pop() ?? [];
      const filesOf = (tiles: typeof last) =>
        Promise.all(
          tiles.map(async (tile) => {
            const { path, content } = await verifiedFile(source, tile);
            return { path: logPath(path), content };
          }),
        );
      for (const batch of batches) await copy.swap({ expect, ahead: await filesOf(batch), put: [] }, task);
      return { expect, ahead: await filesOf(last), put: [{ path: CHECKPOINT_PATH, content: note }] };
    },
    copy,
    task,
  );
  if (late) await copyLog({ home, head: await readLogHead(home, { log: key }, task), key }, copy, task);
}

/** A copy whose checkpoint cannot be used says nothing; it is only a copy. */
function readable(note: Uint8Array | undefined, key: NoteKey, copy: Target): LogHead | undefined {
  if (note === undefined) return undefined;
  try {
    return logHead(note, { log: key }, copy);
  } catch (error) {
    if (!(error instanceof NightlyError && error.code === 'log')) throw error;
    return undefined;
  }
}
