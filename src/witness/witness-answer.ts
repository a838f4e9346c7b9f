import { oneLine } from '../base/one-line.ts';
import { cosignedAt } from '../log/cosignature.ts';
import { logFault } from '../log/log-fault.ts';
import { formatNote, type NoteSignature, parseNote } from '../log/note.ts';
import type { NoteKey } from '../log/note-keys.ts';
import { sizeFromText } from '../log/strict-text.ts';
import { SIZE_TYPE } from './add-checkpoint.ts';

/** What came back for a request, before anything of it is believed. */
export interface RawAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** What a witness answered to `add-checkpoint`. */
export type WitnessAnswer =
  /** Its signature, verified, and when it signed: seconds since the epoch. */
  | { readonly kind: 'cosigned'; readonly signature: NoteSignature; readonly time: number }
  /** It has cosigned a tree of another size than the one that the request begins at. */
  | { readonly kind: 'has'; readonly size: number }
  /** @param why as a part of a sentence: `it says …` */
  | { readonly kind: 'refused'; readonly why: string; readonly status: number };

/** Longer than any answer. */
export const MOST_ANSWER_BYTES = 64 * 1024;

/** What each status says, in the words of c2sp.org/tlog-witness. */
const REASONS: Readonly<Record<number, string>> = {
  400: 'it cannot read the request',
  403: 'it does not know the key that signed the checkpoint, or finds the signature wrong',
  404: 'it does not know this log',
  409: 'it has cosigned another tree of the same size',
  422: 'what it cosigned before is not the beginning of this tree',
  429: 'it was asked too often',
};

/**
 * Reads the answer of a witness. Signatures of other keys than its own are ignored; one of its own that is wrong refuses the answer.
 * @param text of the checkpoint that it was sent
 * @throws NightlyError `log` for an answer that is none.
 */
export function readWitnessAnswer({ status, contentType, body }: RawAnswer, text: string, key: NoteKey): WitnessAnswer {
  const refuse = (why: string) =>
    logFault({ file: key.name }, `The answer of this witness is none: ${why}.`, 'Ask whoever runs the witness.');
  if (body.length > MOST_ANSWER_BYTES) throw refuse(`it has more than ${MOST_ANSWER_BYTES} bytes`);
  const said = new TextDecoder().decode(body);
  if (status === 409 && contentType.replace(/;.*/s, '').trim().toLowerCase() === SIZE_TYPE) {
    const size = said.endsWith('\n') ? sizeFromText(said.slice(0, -1)) : undefined;
    if (size === undefined) throw refuse('it is to have a size, and has none');
    return { kind: 'has', size };
  }
  if (status !== 200) {
    const words = oneLine(said).trim().slice(0, 200);
    const reason = REASONS[status] ?? 'it does not say why in a way that is known here';
    return { kind: 'refused', status, why: `${reason} (HTTP ${status}${words === '' ? '' : `: ${words}`})` };
  }
  // As the specification has it: the answer behind the text is a note.
  const bytes = Buffer.concat([Buffer.from(formatNote({ text, signatures: [] })), body]);
  const { text: noted, signatures } = parseNote(bytes, { file: key.name });
  if (noted !== text) throw refuse('it has more than signatures');
  const own = signatures.filter((one) => one.name === key.name && one.id === key.id);
  const times = own.map((signature) => ({ signature, time: cosignedAt(text, signature, key) }));
  const [best] = times.toSorted((one, other) => (other.time ?? 0) - (one.time ?? 0));
  if (!best) throw refuse(`it has no signature of ${key.name}+${key.id}`);
  for (const { signature, time } of times) {
    if (time === undefined) throw refuse(`its signature ${signature.name}+${signature.id} is wrong`);
  }
  return { kind: 'cosigned', signature: best.signature, time: best.time ?? 0 };
}
