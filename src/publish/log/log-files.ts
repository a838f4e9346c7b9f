import type { Task } from '../../base/task.ts';
import { type CheckpointKeys, openCheckpoint, type SignedCheckpoint } from '../../log/checkpoint.ts';
import { EMPTY_ROOT } from '../../log/merkle.ts';
import { openTileTree, type ReadLogFile, type TileTree } from '../../log/tile-tree.ts';
import { CHECKPOINT_PATH, logPath } from '../../published/paths.ts';
import { placeOn } from '../../published/target-record.ts';
import type { Target } from '../../targets/target.ts';

/** A log as a target has it. */
export interface LogHead {
  /** The checkpoint, byte for byte; undefined where there is no log yet. */
  readonly note: Buffer | undefined;
  readonly checkpoint: Pick<SignedCheckpoint, 'origin' | 'size' | 'root' | 'cosigned'>;
}

/** Files that are kept for whoever asks for them again: the last bundle is asked for by each proof. */
const KEPT = 16;

/** Returns what reads files of a log on a target: those that are asked for at the same moment in one round trip. */
export function logReader(target: Target, task: Task): ReadLogFile {
  const kept = new Map<string, Promise<Uint8Array | undefined>>();
  let waiting: { readonly path: string; readonly done: (content: Promise<Uint8Array | undefined>) => void }[] = [];
  const flush = (): void => {
    const asked = waiting;
    waiting = [];
    const contents = target.readMany(
      asked.map(({ path }) => path),
      task,
    );
    for (const [index, { done }] of asked.entries()) done(contents.then((all) => all[index]));
  };
  return (path) => {
    const known = kept.get(path);
    if (known !== undefined) return known;
    const asked = new Promise<Uint8Array | undefined>((done) => {
      if (waiting.length === 0) setImmediate(flush);
      waiting.push({ path: logPath(path), done });
    });
    kept.set(path, asked);
    for (const oldest of kept.keys()) {
      if (kept.size <= KEPT) break;
      kept.delete(oldest);
    }
    return asked;
  };
}

/** Reads the checkpoint of a log and verifies its signature; a log without one is empty. @throws NightlyError `log` */
export async function readLogHead(target: Target, keys: CheckpointKeys, task: Task): Promise<LogHead> {
  const note = await target.read(CHECKPOINT_PATH, task);
  return logHead(note, keys, target);
}

/** The same for a checkpoint that was read. */
export function logHead(note: Uint8Array | undefined, keys: CheckpointKeys, target: Pick<Target, 'name'>): LogHead {
  if (note === undefined) {
    return { note, checkpoint: { origin: keys.log.name, size: 0, root: EMPTY_ROOT, cosigned: new Map() } };
  }
  return { note: Buffer.from(note), checkpoint: openCheckpoint(note, keys, logPlace(target)) };
}

/** How messages name the checkpoint of a target. */
export function logPlace(target: Pick<Target, 'name'>): { readonly file: string } {
  return { file: placeOn(CHECKPOINT_PATH, target) };
}

/** Opens the tree of a log on a target. @throws NightlyError `log` */
export function openLog(target: Target, { checkpoint }: Pick<LogHead, 'checkpoint'>, task: Task): Promise<TileTree> {
  return openTileTree(logReader(target, task), checkpoint, `target "${target.name}", log`);
}
