import { type LogPlace, logFault } from './log-fault.ts';
import { isKeyName } from './note-keys.ts';
import { fromBase64, strictUtf8 } from './strict-text.ts';

/** A signed note (c2sp.org/signed-note): a text and, after an empty line, lines with a signature each. */
export interface Note {
  /** What is signed, with the line feed at its end. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface NoteSignature {
  readonly name: string;
  /** Four bytes in hex. */
  readonly id: string;
  readonly signature: Buffer;
}

/** Checking costs time for each; a checkpoint with all the witnesses of the world has fewer. */
const MOST_SIGNATURES = 100;

/** Much longer than any checkpoint. */
const MOST_BYTES = 1 << 20;

/**
 * Reads a note without looking at whether its signatures are right.
 * @throws NightlyError `log`
 */
export function parseNote(bytes: Uint8Array, place: LogPlace): Note {
  const refuse = (why: string, line?: number) => {
    return logFault(
      { ...place, ...(line !== undefined && { line: (place.line ?? 1) + line }) },
      `This is no signed note: ${why}.`,
    );
  };
  if (bytes.length > MOST_BYTES) throw refuse(`it has more than ${MOST_BYTES} bytes`);
  const whole = strictUtf8(bytes);
  if (whole === undefined) throw refuse('it is not UTF-8');
  const control = whole.search(/(?!\n)\p{Cc}/u);
  if (control >= 0) throw refuse('it has a control character', lineOf(whole, control));
  const end = whole.lastIndexOf('\n\n');
  if (end < 0) throw refuse('it has no empty line before its signatures');
  if (!whole.endsWith('\n') || whole.length === end + 2) throw refuse('it has no signatures');
  const lines = whole.slice(end + 2, -1).split('\n');
  const first = lineOf(whole, end + 2);
  if (lines.length > MOST_SIGNATURES) throw refuse(`it has more than ${MOST_SIGNATURES} signatures`);
  const signatures = lines.map((line, index) => {
    const [, name = '', encoded = ''] = /^\u2014 (\S+) (\S+)$/u.exec(line) ?? [];
    const decoded = fromBase64(encoded);
    if (!isKeyName(name) || decoded === undefined || decoded.length < 5)
      throw refuse('a signature line is malformed', first + index);
    return { name, id: decoded.subarray(0, 4).toString('hex'), signature: decoded.subarray(4) };
  });
  return { text: whole.slice(0, end + 1), signatures };
}

/** Returns the line of a signature, with the line feed at its end. */
export function signatureLine({ name, id, signature }: NoteSignature): string {
  return `\u2014 ${name} ${Buffer.concat([Buffer.from(id, 'hex'), signature]).toString('base64')}\n`;
}

/** Returns a note as it is stored. */
export function formatNote({ text, signatures }: Note): string {
  return `${text}\n${signatures.map(signatureLine).join('')}`;
}

/** Counted from 0. */
function lineOf(text: string, at: number): number {
  return text.slice(0, at).split('\n').length - 1;
}
