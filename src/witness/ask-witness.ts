import { NightlyError } from '../base/errors.ts';
import { formatCount, formatSeconds } from '../base/format.ts';
import type { Hash } from '../log/merkle.ts';
import type { NoteSignature } from '../log/note.ts';
import type { PolicyWitness } from '../log/policy.ts';
import { formatAddCheckpoint } from './add-checkpoint.ts';
import { PATIENCE, type Patience, postCheckpoint } from './post-checkpoint.ts';
import { readWitnessAnswer, type WitnessAnswer } from './witness-answer.ts';

/** A tree whose checkpoint is to be cosigned. */
export interface TreeToCosign {
  /** Signed by the log. */
  readonly checkpoint: string;
  /** The text of the checkpoint, which is what is signed. */
  readonly text: string;
  readonly size: number;
  /** Returns the proof that a smaller tree is the beginning of this one. */
  prove(older: number): Promise<readonly Hash[]>;
  /** Entries of the tree that witnesses probably cosigned last; what they say of it is taken instead. 0 costs a further request. */
  readonly before: number;
}

/** Why there is no cosignature of a witness. */
export type MissingKind =
  /** It was not reached, or nothing that is an answer came. */
  | 'no-answer'
  /** It refuses for a reason of its own: it does not know the log, or its key. */
  | 'refused'
  /** It has cosigned a longer tree: the log went back, or somebody else appends to it. */
  | 'ahead'
  /** It has cosigned another tree: there are two histories of one log. */
  | 'split'
  /** Its clock and this one's are too far apart. */
  | 'clock';

/** What a witness did. */
export type Asked =
  | { readonly kind: 'cosigned'; readonly signature: NoteSignature; readonly time: number }
  /** @param why as a part of a sentence, behind the name of the witness */
  | { readonly kind: MissingKind; readonly why: string };

/** Others may move a witness on between two of our requests, but not again and again. */
const MOST_REQUESTS = 5;

/** Whoever verifies refuses a time far from its own; and of two clocks so far apart one is wrong. Seconds. */
const CLOCKS_APART = 24 * 3600;

/**
 * Has one witness cosign a checkpoint, whatever it has seen of the log so far. What it answers is verified. A checkpoint that it has cosigned
 * before is cosigned with a new time.
 * @throws NightlyError of `prove`; the signal's reason when it was aborted.
 */
export async function askWitness(
  { key, url }: PolicyWitness,
  tree: TreeToCosign,
  { signal, patience = PATIENCE }: { readonly signal: AbortSignal; readonly patience?: Patience },
): Promise<Asked> {
  if (url === undefined) return { kind: 'no-answer', why: 'the policy has no URL of it' };
  const place = `${url.replace(/\/+$/, '')}/add-checkpoint`;
  let old = Math.min(tree.before, tree.size);
  for (let request = 1; request <= MOST_REQUESTS; request += 1) {
    const body = formatAddCheckpoint({ old, proof: await tree.prove(old), checkpoint: tree.checkpoint });
    let answer: WitnessAnswer;
    try {
      answer = readWitnessAnswer(await postCheckpoint(place, body, patience, signal), tree.text, key);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof NightlyError) return { kind: 'no-answer', why: error.message };
      return { kind: 'no-answer', why: `${url}: ${error instanceof Error ? error.message : String(error)}` };
    }
    if (answer.kind === 'cosigned') return timely(answer);
    if (answer.kind === 'refused') return { kind: kindOf(answer.status), why: answer.why };
    if (answer.size > tree.size) {
      const why = `it has cosigned ${formatCount(answer.size, 'entry', 'entries')} of this log, which has ${tree.size} now`;
      return { kind: 'ahead', why };
    }
    if (answer.size === old && old === tree.size)
      return { kind: 'split', why: `it has cosigned another tree of ${old} entries` };
    old = answer.size;
  }
  return { kind: 'no-answer', why: `it named a size ${MOST_REQUESTS} times, and did not take the proof from there` };
}

function kindOf(status: number): MissingKind {
  if (status === 409 || status === 422) return 'split';
  return status >= 500 || status === 429 ? 'no-answer' : 'refused';
}

function timely(answer: Extract<WitnessAnswer, { kind: 'cosigned' }>): Asked {
  const ahead = answer.time - Date.now() / 1000;
  if (Math.abs(ahead) <= CLOCKS_APART) return answer;
  const apart = `${formatSeconds(Math.abs(ahead))} ${ahead > 0 ? 'ahead of' : 'behind'}`;
  return { kind: 'clock', why: `its clock is ${apart} that of this machine: one of them is wrong` };
}
