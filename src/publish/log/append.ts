import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { signCheckpoint } from '../../log/checkpoint.ts';
import type { TreeHead } from '../../log/consistency.ts';
import { grow } from '../../log/grow.ts';
import type { NoteSigner } from '../../log/note-keys.ts';
import { edgeTiles, TILE_WIDTH, tilePath } from '../../log/tile-math.ts';
import { openTileTree, type ReadLogFile, type TileTree } from '../../log/tile-tree.ts';
import { CHECKPOINT_PATH, logPath } from '../../published/paths.ts';
import type { SwapRequest, Target } from '../../targets/target.ts';
import { swapWithRetry } from '../swap-with-retry.ts';
import { type LogHead, logHead, logReader } from './log-files.ts';
import { type LogState, noteArrived, readLogState, writeLogState } from './log-state.ts';
import { placeOfRun } from './logged-already.ts';
import { requireContinues, rolledBack, splitLog } from './same-log.ts';

/** Where a log grows. */
export interface LogPlaces {
  readonly home: Target;
  readonly key: NoteSigner;
  /** The file with what this machine has signed (log-state.ts). */
  readonly state: string;
}

/** What became of entries that were to be in a log. */
export interface Appended {
  /** Where the entries are, each part of them, in the order they were given. */
  readonly indices: readonly number[];
  /** The log at home, which has them. */
  readonly head: LogHead;
}

/**
 * Adds entries to a log at its home; those that are its last words already are not added again. Nothing is signed but the one (I17)
 * continuation of what was signed before, and only under the lock of the target, once it is certain that it goes there:
 *   1. read the checkpoint, verify it, and that it continues what this machine signed;
 *   2. an append that a kill left unfinished comes first, with the very same entries;
 *   3. in one swap: tiles and entries; the new tree into the state on disk; sign; the checkpoint.
 * @param entries each in its parts, as `formatEntry` gives them
 * @throws NightlyError `log`, `log-rolled-back`, `log-split`, `record`, `target-moved`, `locked`; those of the target.
 */
export async function appendToLog(
  entries: readonly (readonly Buffer[])[],
  places: LogPlaces,
  task: Task,
): Promise<Appended> {
  for (;;) {
    const { left, appended } = await appendOnce(entries, places, task);
    if (!left) return appended;
  }
}

async function appendOnce(entries: readonly (readonly Buffer[])[], places: LogPlaces, task: Task) {
  const { home, key, state: file } = places;
  const origin = key.name;
  let done: { readonly left: boolean; readonly appended: Appended } | undefined;
  const prepare = async (): Promise<SwapRequest | undefined> => {
    const before = await readLogState(file, origin);
    const { head, read } = await readHome(home, places, before, task);
    const tree = await openTileTree(read, head.checkpoint, `target "${home.name}", log`);
    const pending = await settle(before, tree, places, task);
    const last = tree.size % TILE_WIDTH === 0 ? [] : [...(await tree.bundle(Math.floor(tree.size / TILE_WIDTH)))];
    const indices: number[] = [];
    const added: Buffer[] = [...(pending ?? [])];
    if (pending === undefined) {
      for (const parts of entries) {
        const there = placeOfRun([...last, ...added], parts);
        const first = tree.size - last.length + (there ?? last.length + added.length);
        indices.push(...parts.map((_, part) => first + part));
        if (there === undefined) added.push(...parts);
      }
    }
    if (added.length === 0) {
      done = { left: false, appended: { indices, head } };
      return undefined;
    }
    const from: TreeHead = { size: tree.size, root: tree.root };
    const grown = grow({ size: tree.size, edge: tree.edge, entries: last }, added);
    const next: TreeHead = { size: grown.size, root: grown.root };
    return {
      expect: [{ path: CHECKPOINT_PATH, content: head.note }],
      ahead: grown.files.map(({ path, content }) => ({ path: logPath(path), content })),
      put: [],
      async seal() {
        await requireUnsigned(next, places);
        await writeLogState(file, { origin, signed: next, pending: { from, entries: added } });
        const note = Buffer.from(signCheckpoint({ origin, ...next }, key));
        done = {
          left: pending !== undefined,
          appended: { indices, head: { note, checkpoint: { origin, ...next, cosigned: new Map() } } },
        };
        return [{ path: CHECKPOINT_PATH, content: note }];
      },
    };
  };
  await swapWithRetry(prepare, home, task);
  if (done === undefined) throw new NightlyError('bug', 'An append to the log came to no end.');
  const { size, root } = done.appended.head.checkpoint;
  const noted = await readLogState(file, origin);
  // Another process of this machine may have gone on meanwhile; what it noted stays.
  const isOurs = noted === undefined || noted.signed.size < size || (noted.signed.size === size && noted.pending);
  if (isOurs && noted !== undefined) await noteArrived(file, { origin, signed: { size, root } });
  else if (isOurs) await writeLogState(file, { origin, signed: { size, root } });
  return done;
}

/**
 * Reads the checkpoint at home, and in the same round trip what a log that nobody else has continued has at its edge. That is
 * certain to be what it was, since it was signed for.
 */
async function readHome(home: Target, { key }: LogPlaces, state: LogState | undefined, task: Task) {
  const edge = state === undefined || state.pending ? [] : edgeFiles(state.signed.size);
  const [note, ...contents] = await home.readMany([CHECKPOINT_PATH, ...edge.map(logPath)], task);
  const known = new Map(edge.map((path, index) => [path, contents[index]]));
  const further = logReader(home, task);
  const read: ReadLogFile = (path) => {
    const content = known.get(path);
    return content === undefined ? further(path) : Promise.resolve(content);
  };
  return { head: logHead(note, { log: key }, home), read };
}

function edgeFiles(size: number): string[] {
  const tiles = edgeTiles(size).map(tilePath);
  const width = size % TILE_WIDTH;
  if (width === 0) return tiles;
  return [...tiles, tilePath({ level: 'entries', index: Math.floor(size / TILE_WIDTH), width })];
}

/**
 * Compares the log with what this machine knows, and takes on what others added.
 * @returns entries of an append that did not arrive, and has to come first
 * @throws NightlyError `log-rolled-back`, `log-split`.
 */
async function settle(
  state: LogState | undefined,
  tree: TileTree,
  { home, key, state: file }: LogPlaces,
  task: Task,
): Promise<readonly Buffer[] | undefined> {
  if (state === undefined) return undefined;
  const { signed, pending } = state;
  const about = { target: home, seenAt: 'this machine signed' };
  if (pending === undefined) {
    await requireContinues(signed, tree, about);
    return undefined;
  }
  const { from, entries } = pending;
  // It began with what home had, so that much must be there in any case.
  await requireContinues(from, tree, about);
  if (tree.size === from.size) {
    task.say(`completing an append of ${entries.length} entries to the log that was cut off`);
    return entries;
  }
  if (await isContinued(signed, tree, about)) return undefined;
  await writeLogState(file, { origin: key.name, signed: { size: tree.size, root: tree.root } });
  // Killed after it was noted and before it arrived, while another machine continued the log: it was shown to nobody.
  task.say(
    `an append of ${entries.length} entries to the log that was cut off is dropped: another machine continued the log`,
  );
  return undefined;
}

async function isContinued(...about: Parameters<typeof requireContinues>): Promise<boolean> {
  try {
    await requireContinues(...about);
    return true;
  } catch (error) {
    if (error instanceof NightlyError && error.code.startsWith('log-')) return false;
    throw error;
  }
}

/** The last look before a signature, at what another process of this machine may have signed since. @throws NightlyError */
async function requireUnsigned(next: TreeHead, { home, key, state }: LogPlaces): Promise<void> {
  const known = (await readLogState(state, key.name))?.signed;
  if (known === undefined || known.size < next.size) return;
  const seen = { known, size: next.size, seenAt: 'this machine signed' };
  if (known.size > next.size) throw rolledBack(seen, home);
  if (!known.root.equals(next.root)) throw splitLog(seen, home);
}
