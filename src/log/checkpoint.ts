import { cosignedAt } from './cosignature.ts';
import { type LogPlace, logFault } from './log-fault.ts';
import { EMPTY_ROOT, HASH_BYTES, type Hash } from './merkle.ts';
import { formatNote, type Note, parseNote } from './note.ts';
import { isSigned, type NoteKey, type NoteSigner } from './note-keys.ts';
import { hashFromBase64, sizeFromText } from './strict-text.ts';

/** What a log vouches for (c2sp.org/tlog-checkpoint): that it had so many entries, and this root. */
export interface Checkpoint {
  /** The URL of the log without its scheme; also the name of its key. */
  readonly origin: string;
  readonly size: number;
  readonly root: Hash;
}

/** A checkpoint whose signatures were verified. */
export interface SignedCheckpoint extends Checkpoint {
  /** When each of the witnesses that were asked for signed, by its key; seconds since the epoch. */
  readonly cosigned: ReadonlyMap<NoteKey, number>;
}

/** Returns the text of a checkpoint, which is what is signed. */
export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`;
}

/** Returns a checkpoint signed by its log. */
export function signCheckpoint(checkpoint: Checkpoint, log: NoteSigner): string {
  const text = checkpointText(checkpoint);
  return formatNote({ text, signatures: [{ name: log.name, id: log.id, signature: log.sign(Buffer.from(text)) }] });
}

/** Reads the text of a checkpoint; lines after the third are let through. @throws NightlyError `log` */
export function parseCheckpointText(text: string, place: LogPlace): Checkpoint {
  const refuse = (why: string, line: number) =>
    logFault({ ...place, line: (place.line ?? 1) + line }, `This is no checkpoint of a log: ${why}.`);
  const [origin = '', sizeText = '', rootText = '', ...more] = text.slice(0, -1).split('\n');
  if (origin === '') throw refuse('it has no origin', 0);
  const size = sizeFromText(sizeText);
  if (size === undefined) throw refuse('its second line is no size', 1);
  const root = hashFromBase64(rootText);
  if (root === undefined) throw refuse(`its third line is not the base64 of ${HASH_BYTES} bytes`, 2);
  const empty = more.indexOf('');
  if (empty >= 0) throw refuse('one of its lines is empty', 3 + empty);
  if (size === 0 && !root.equals(EMPTY_ROOT))
    throw refuse('it has no entries, and its root is not that of an empty tree', 2);
  return { origin, size, root };
}

/**
 * Reads a checkpoint and verifies it: it must be signed by its log. A signature by a key that is known and that is wrong refuses the
 * whole; those of unknown keys prove nothing and are ignored.
 * @throws NightlyError `log`
 */
export function openCheckpoint(bytes: Uint8Array, keys: CheckpointKeys, place: LogPlace): SignedCheckpoint {
  const { log } = keys;
  const note = parseNote(bytes, place);
  const checkpoint = parseCheckpointText(note.text, place);
  if (checkpoint.origin !== log.name) {
    throw logFault(place, `This is a checkpoint of the log ${checkpoint.origin}, not of ${log.name}.`);
  }
  const { signed, cosigned } = verified(note, keys, place);
  if (!signed) throw logFault(place, `This checkpoint is not signed by the log's key ${log.name}+${log.id}.`);
  return { ...checkpoint, cosigned };
}

export interface CheckpointKeys {
  readonly log: NoteKey;
  readonly witnesses?: readonly NoteKey[];
}

function verified({ text, signatures }: Note, { log, witnesses = [] }: CheckpointKeys, place: LogPlace) {
  const cosigned = new Map<NoteKey, number>();
  let signed = false;
  for (const one of signatures) {
    const isBy = (key: NoteKey): boolean => key.name === one.name && key.id === one.id;
    const wrong = () => logFault(place, `The signature of ${one.name}+${one.id} on this checkpoint is wrong.`);
    if (isBy(log)) {
      if (!isSigned(log, Buffer.from(text), one.signature)) throw wrong();
      signed = true;
    }
    for (const witness of witnesses.filter(isBy)) {
      const time = cosignedAt(text, one, witness);
      if (time === undefined) throw wrong();
      cosigned.set(witness, Math.max(time, cosigned.get(witness) ?? 0));
    }
  }
  return { signed, cosigned };
}
