import { openCheckpoint, parseCheckpointText, type SignedCheckpoint } from '../../log/checkpoint.ts';
import type { TreeHead } from '../../log/consistency.ts';
import { rangeHash } from '../../log/inclusion.ts';
import { logFault } from '../../log/log-fault.ts';
import { parseNote } from '../../log/note.ts';
import type { Policy } from '../../log/policy.ts';
import { openTileTree, type TileTree } from '../../log/tile-tree.ts';
import { CHECKPOINT_PATH, logPath } from '../../published/paths.ts';
import type { PublicFiles } from './public-http.ts';

/** A release log as whoever asks over the network is shown it, its signature verified. */
export interface LogView {
  /** The checkpoint, byte for byte. */
  readonly note: Buffer;
  readonly checkpoint: SignedCheckpoint;
  /** Nothing that it gives was not hashed up to the root. */
  readonly tree: TileTree;
}

/**
 * Reads the log that a target serves.
 * @param url of the target, for messages
 * @returns undefined when there is none
 * @throws NightlyError `log` when it is not signed by a log of the policy, or its tiles do not hash to its root.
 */
export async function openLogView(files: PublicFiles, policy: Policy, url: string): Promise<LogView | undefined> {
  const bytes = await files.get(CHECKPOINT_PATH);
  if (bytes === undefined) return undefined;
  const note = Buffer.from(bytes);
  const checkpoint = openWithPolicy(note, policy, `${url}/${CHECKPOINT_PATH}`);
  const read = (path: string) => files.get(logPath(path));
  return { note, checkpoint, tree: await openTileTree(read, checkpoint, `${url}/log`) };
}

/** Verifies a checkpoint by a policy; whether enough witnesses have cosigned is another question. @throws NightlyError `log` */
export function openWithPolicy(note: Uint8Array, policy: Policy, file: string): SignedCheckpoint {
  const { origin } = parseCheckpointText(parseNote(note, { file }).text, { file });
  const witnesses = policy.witnesses.map(({ key }) => key);
  const names = policy.logs.map(({ key }) => key.name).join(', ');
  let fault: unknown = logFault({ file }, `This is a checkpoint of the log ${origin}; trusted is ${names}.`);
  // A log that changes its key has two for a while.
  for (const { key } of policy.logs) {
    if (key.name !== origin) continue;
    try {
      return openCheckpoint(note, { log: key, witnesses }, { file });
    } catch (error) {
      fault = error;
    }
  }
  throw fault;
}

/** How a log came from what was seen before: it has grown, it is shorter, or it is another one. */
export type History = 'grown' | 'same' | 'rolled-back' | 'split';

/** Compares a log with a tree of it that was seen before, by the hashes in its tiles. @throws NightlyError `log` */
export async function historyOf(tree: TileTree, before: TreeHead): Promise<History> {
  if (before.size > tree.size) return 'rolled-back';
  const root = await rangeHash(tree.nodeOf, 0, before.size);
  if (!root.equals(before.root)) return 'split';
  return before.size === tree.size ? 'same' : 'grown';
}
