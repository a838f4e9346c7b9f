import { NightlyError } from '../base/errors.ts';
import { openCheckpoint, parseCheckpointText } from '../log/checkpoint.ts';
import { isConsistent, type TreeHead } from '../log/consistency.ts';
import { parseNote } from '../log/note.ts';
import type { NoteKey } from '../log/note-keys.ts';
import { type AddCheckpoint, parseAddCheckpoint } from './add-checkpoint.ts';

/** What a witness makes of a request, in the order in which it finds out (c2sp.org/tlog-witness). */
export type Verdict =
  /** It may be cosigned, once it is safe on disk. @param text what is signed */
  | { readonly kind: 'consistent'; readonly text: string; readonly tree: TreeHead }
  /** @param why for whoever sent it */
  | { readonly kind: 'malformed'; readonly why: string }
  | { readonly kind: 'unknown-log'; readonly origin: string }
  | { readonly kind: 'not-signed' }
  /** The request begins at a size larger than that of its checkpoint. */
  | { readonly kind: 'old-above-size' }
  /** The request begins at another size than the one that was cosigned last. */
  | { readonly kind: 'conflict'; readonly size: number }
  /** A tree of this size was cosigned with another root: two histories of one log. */
  | { readonly kind: 'other-root' }
  /** The proof does not show that the tree that was cosigned last is its beginning. */
  | { readonly kind: 'inconsistent' };

/** A request that is well-formed and names a log that is known. */
export interface KnownRequest extends AddCheckpoint {
  readonly kind: 'known';
  readonly origin: string;
  readonly keys: readonly NoteKey[];
}

/** Where something came from, for messages that go back to the sender. */
const PLACE = { file: 'request' };

/**
 * Reads a request, as far as it is known which log it is about; nothing of it is believed yet.
 * @param logs keys by origin
 */
export function readRequest(
  bytes: Uint8Array,
  logs: ReadonlyMap<string, readonly NoteKey[]>,
): KnownRequest | Extract<Verdict, { kind: 'malformed' | 'unknown-log' }> {
  try {
    const request = parseAddCheckpoint(bytes, PLACE);
    const { origin } = parseCheckpointText(parseNote(Buffer.from(request.checkpoint), PLACE).text, PLACE);
    const keys = logs.get(origin);
    return keys ? { kind: 'known', ...request, origin, keys } : { kind: 'unknown-log', origin };
  } catch (error) {
    if (error instanceof NightlyError && error.code === 'log') return { kind: 'malformed', why: error.message };
    throw error;
  }
}

/** Decides about a request. @param last the tree that was cosigned last; undefined: none of this log yet */
export function judgeCheckpoint({ old, proof, checkpoint, keys }: KnownRequest, last: TreeHead | undefined): Verdict {
  const bytes = Buffer.from(checkpoint);
  const tree = keys.map((log) => openedBy(log, bytes)).find((one) => one !== undefined);
  if (!tree) return { kind: 'not-signed' };
  if (old > tree.size) return { kind: 'old-above-size' };
  const size = last?.size ?? 0;
  if (old !== size) return { kind: 'conflict', size };
  if (!last) return proof.length === 0 ? cosignable(tree) : { kind: 'inconsistent' };
  if (last.size === tree.size && !last.root.equals(tree.root)) return { kind: 'other-root' };
  return isConsistent(last, tree, proof) ? cosignable(tree) : { kind: 'inconsistent' };

  function cosignable(head: TreeHead): Verdict {
    return { kind: 'consistent', text: parseNote(bytes, PLACE).text, tree: head };
  }
}

function openedBy(log: NoteKey, bytes: Uint8Array): TreeHead | undefined {
  try {
    return openCheckpoint(bytes, { log }, PLACE);
  } catch (error) {
    if (error instanceof NightlyError && error.code === 'log') return undefined;
    throw error;
  }
}
