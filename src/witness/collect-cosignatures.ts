import { openCheckpoint } from '../log/checkpoint.ts';
import { cosignedAt } from '../log/cosignature.ts';
import type { LogPlace } from '../log/log-fault.ts';
import type { Hash } from '../log/merkle.ts';
import { formatNote, type NoteSignature, parseNote } from '../log/note.ts';
import type { NoteKey } from '../log/note-keys.ts';
import { isQuorum, type Policy, type PolicyWitness } from '../log/policy.ts';
import { type Asked, askWitness, type MissingKind, type TreeToCosign } from './ask-witness.ts';
import type { Patience } from './post-checkpoint.ts';

/** A witness that has not cosigned when it was asked. */
export interface MissingWitness {
  readonly witness: PolicyWitness;
  readonly kind: MissingKind;
  /** The reason, as a part of a sentence that begins with its name. */
  readonly why: string;
}

/** A checkpoint after its witnesses were asked. */
export interface Cosigned {
  /** The note with the log's signature and all cosignatures, those that it had before among them; witnesses in the order of the policy. */
  readonly checkpoint: string;
  /** When each witness signed, now or before; seconds since the epoch. */
  readonly cosigned: ReadonlyMap<NoteKey, number>;
  /** Who did not cosign now, though perhaps before. */
  readonly missing: readonly MissingWitness[];
  /** Whether that is enough for the policy. */
  readonly isQuorum: boolean;
}

export interface CollectRequest {
  /** Signed by the log; cosignatures that it has are kept. */
  readonly checkpoint: string;
  readonly log: NoteKey;
  readonly policy: Policy;
  /** Returns the proof that a smaller tree is the beginning of this one. */
  prove(older: number): Promise<readonly Hash[]>;
  /** Entries of the tree that witnesses probably cosigned last. */
  readonly before: number;
  readonly signal: AbortSignal;
  readonly patience?: Patience;
  /** Milliseconds that the other witnesses have once there are enough. */
  readonly graceMs?: number;
}

/** Most answer within a tenth of a second; one that does not answer must not hold up each night. */
const GRACE_MS = 5000;

/**
 * Has all witnesses of a policy cosign a checkpoint, side by side. That some do not is no error: what came is returned, with who is missing
 * and why; whoever calls decides what follows from it.
 * @throws NightlyError `log` when the checkpoint is not signed by its log, or a cosignature that it has is wrong; those of `prove`.
 */
export async function collectCosignatures(request: CollectRequest, place: LogPlace): Promise<Cosigned> {
  const { checkpoint, log, policy, before, signal, patience, graceMs = GRACE_MS } = request;
  const keys = { log, witnesses: policy.witnesses.map(({ key }) => key) };
  const { size, cosigned: known } = openCheckpoint(Buffer.from(checkpoint), keys, place);
  const { text, signatures } = parseNote(Buffer.from(checkpoint), place);
  const own = signatures.filter((one) => one.name === log.name && one.id === log.id).slice(0, 1);
  // A witness gets the checkpoint without the signatures of others, which it would have to ignore.
  const tree: TreeToCosign = {
    checkpoint: formatNote({ text, signatures: own }),
    text,
    size,
    before,
    prove: (older) => request.prove(older),
  };
  const answers = new Map<NoteKey, Asked>();
  const times = (): Map<NoteKey, number> => {
    const all = new Map<NoteKey, number>();
    for (const { key } of policy.witnesses) {
      const answer = answers.get(key);
      const time = answer?.kind === 'cosigned' ? answer.time : known.get(key);
      if (time !== undefined) all.set(key, time);
    }
    return all;
  };
  const enough = new AbortController();
  const limit = AbortSignal.any([signal, enough.signal]);
  let grace: NodeJS.Timeout | undefined;
  const ask = async (witness: PolicyWitness): Promise<void> => {
    answers.set(witness.key, await askWitness(witness, tree, { signal: limit, ...(patience && { patience }) }));
    // With a quorum of none there never is a moment at which one is reached.
    if (policy.quorum.kind !== 'none' && isQuorum(policy.quorum, times()))
      grace ??= setTimeout(() => enough.abort(), graceMs);
  };
  const ended = await Promise.allSettled(policy.witnesses.map(ask));
  clearTimeout(grace);
  signal.throwIfAborted();
  for (const one of ended) if (one.status === 'rejected' && one.reason !== enough.signal.reason) throw one.reason;

  const lines = [...own];
  const missing: MissingWitness[] = [];
  for (const witness of policy.witnesses) {
    const answer = answers.get(witness.key) ?? { kind: 'no-answer', why: 'it did not answer while others did' };
    if (answer.kind !== 'cosigned') missing.push({ witness, kind: answer.kind, why: answer.why });
    const line = answer.kind === 'cosigned' ? answer.signature : newestOf(witness.key, signatures, text);
    if (line) lines.push(line);
  }
  const cosigned = times();
  return {
    checkpoint: formatNote({ text, signatures: lines }),
    cosigned,
    missing,
    isQuorum: isQuorum(policy.quorum, cosigned),
  };
}

/** Returns the cosignature with the latest time; all were verified. */
function newestOf(key: NoteKey, signatures: readonly NoteSignature[], text: string): NoteSignature | undefined {
  const time = (one: NoteSignature) => cosignedAt(text, one, key) ?? 0;
  const own = signatures.filter((one) => one.name === key.name && one.id === key.id);
  return own.toSorted((one, other) => time(other) - time(one))[0];
}
