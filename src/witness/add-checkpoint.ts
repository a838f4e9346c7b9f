import { type LogPlace, logFault } from '../log/log-fault.ts';
import type { Hash } from '../log/merkle.ts';
import { hashFromBase64, sizeFromText, strictUtf8 } from '../log/strict-text.ts';

/** What a log asks of a witness (c2sp.org/tlog-witness): the body of `POST PREFIX/add-checkpoint`. */
export interface AddCheckpoint {
  /** Entries of the checkpoint that the witness cosigned last; 0: none yet. */
  readonly old: number;
  /** Proof that the tree of `old` is the beginning of the new one. */
  readonly proof: readonly Hash[];
  /** Signed by the log. */
  readonly checkpoint: string;
}

/** A tree of 2^63 leaves has no longer proof. */
const MOST_HASHES = 63;

/** Longer than any request: 63 hashes, and a checkpoint with the signatures of all the witnesses of the world. */
export const MOST_REQUEST_BYTES = 64 * 1024;

/** Media type of an answer that says how many entries the witness has cosigned. */
export const SIZE_TYPE = 'text/x.tlog.size';

/** Returns a request as it is sent. */
export function formatAddCheckpoint({ old, proof, checkpoint }: AddCheckpoint): string {
  return `old ${old}\n${proof.map((hash) => `${hash.toString('base64')}\n`).join('')}\n${checkpoint}`;
}

/** Reads a request; the checkpoint in it is not looked at. @throws NightlyError `log` */
export function parseAddCheckpoint(bytes: Uint8Array, place: LogPlace): AddCheckpoint {
  const refuse = (why: string, line: number) =>
    logFault({ ...place, line }, `This is no request to cosign a checkpoint: ${why}.`, REQUEST_HINT);
  if (bytes.length > MOST_REQUEST_BYTES) throw refuse(`it has more than ${MOST_REQUEST_BYTES} bytes`, 1);
  const text = strictUtf8(bytes);
  if (text === undefined) throw refuse('it is not UTF-8', 1);
  const end = text.indexOf('\n\n');
  if (end < 0) throw refuse('no empty line stands before the checkpoint', 1);
  const [first = '', ...lines] = text.slice(0, end).split('\n');
  const old = first.startsWith('old ') ? sizeFromText(first.slice('old '.length)) : undefined;
  if (old === undefined) throw refuse('its first line is not "old" and a size', 1);
  if (lines.length > MOST_HASHES) throw refuse(`it has more than ${MOST_HASHES} hashes`, MOST_HASHES + 2);
  const proof = lines.map((line, index) => {
    const hash = hashFromBase64(line);
    if (hash === undefined) throw refuse('a line is not the base64 of a hash', index + 2);
    return hash;
  });
  return { old, proof, checkpoint: text.slice(end + 2) };
}

const REQUEST_HINT = 'c2sp.org/tlog-witness has the format.';
