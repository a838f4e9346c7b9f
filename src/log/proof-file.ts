import { type CheckpointKeys, openCheckpoint, parseCheckpointText, type SignedCheckpoint } from './checkpoint.ts';
import { isIncluded } from './inclusion.ts';
import { type LogPlace, logFault } from './log-fault.ts';
import { type Hash, leafHash } from './merkle.ts';
import { parseNote } from './note.ts';
import { fromBase64, hashFromBase64, sizeFromText, strictUtf8 } from './strict-text.ts';

/**
 * A proof that an entry is in a log, in one file that can be verified without a network (c2sp.org/tlog-proof). Its name ends in
 * `.tlog-proof`.
 */
export interface ProofFile {
  /** Whatever whoever made the file wants to say; nobody vouches for it. Ours have the entry here. */
  readonly extra?: Buffer;
  readonly index: number;
  /** The leaf's sibling first. */
  readonly hashes: readonly Hash[];
  /** The checkpoint with its signatures, as the log has it. */
  readonly checkpoint: string;
}

const HEADER = 'c2sp.org/tlog-proof@v1';

/** A tree of 2^63 leaves has no longer one. */
const MOST_HASHES = 63;

/** Returns a proof as it is stored. */
export function formatProof({ extra, index, hashes, checkpoint }: ProofFile): string {
  const lines = [
    HEADER,
    ...(extra === undefined ? [] : [`extra ${extra.toString('base64')}`]),
    `index ${index}`,
    ...hashes.map((hash) => hash.toString('base64')),
  ];
  return `${lines.join('\n')}\n\n${checkpoint}`;
}

/** Reads a proof without verifying anything. @throws NightlyError `log` */
export function parseProof(bytes: Uint8Array, place: LogPlace): ProofFile {
  const refuse = (why: string, line: number) => logFault({ ...place, line }, `This is no proof of a log: ${why}.`);
  const text = strictUtf8(bytes);
  if (text === undefined) throw refuse('it is not UTF-8', 1);
  const end = text.indexOf('\n\n');
  const lines = text.slice(0, Math.max(0, end)).split('\n');
  let at = 0;
  if (lines[at] !== HEADER) throw refuse(`its first line is not ${HEADER}`, 1);
  at += 1;
  let extra: Buffer | undefined;
  if (lines[at]?.startsWith('extra ')) {
    extra = fromBase64(lines[at]?.slice('extra '.length) ?? '');
    if (extra === undefined) throw refuse('what follows "extra" is not base64', at + 1);
    at += 1;
  }
  const index = lines[at]?.startsWith('index ') ? sizeFromText(lines[at]?.slice('index '.length) ?? '') : undefined;
  if (index === undefined) throw refuse('it names no index', at + 1);
  at += 1;
  const hashes = lines.slice(at).map((line, offset) => {
    const hash = hashFromBase64(line);
    if (hash === undefined) throw refuse('a line is not the base64 of a hash', at + offset + 1);
    return hash;
  });
  if (hashes.length > MOST_HASHES) throw refuse(`it has more than ${MOST_HASHES} hashes`, at + 1);
  const checkpoint = text.slice(end + 2);
  const noted = parseNote(Buffer.from(checkpoint), { ...place, line: lines.length + 2 });
  parseCheckpointText(noted.text, { ...place, line: lines.length + 2 });
  return { ...(extra !== undefined && { extra }), index, hashes, checkpoint };
}

/**
 * Verifies that an entry is in a log: the log's signature on the checkpoint, and the way from the entry to its root. Whether enough
 * witnesses have cosigned is decided by a policy (`isQuorum`) on what is returned.
 * @throws NightlyError `log`
 */
export function verifyProof(
  proof: ProofFile,
  entry: Uint8Array,
  keys: CheckpointKeys,
  place: LogPlace,
): SignedCheckpoint {
  const checkpoint = openCheckpoint(Buffer.from(proof.checkpoint), keys, place);
  const { size, root } = checkpoint;
  if (isIncluded({ index: proof.index, size, leaf: leafHash(entry), root }, proof.hashes)) return checkpoint;
  throw logFault(
    place,
    `This proof does not show that the entry is number ${proof.index} of a log of ${size} entries with that root.`,
  );
}
