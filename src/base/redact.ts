import { StringDecoder } from 'node:string_decoder';
import { regExpText, shellWord } from './quoting.ts';

/**
 * The one place that keeps secrets out of what is written for people (I11): messages, logs, records, events. It knows the
 * values that it was told, in the forms in which programs print them, and what gives a secret away by its shape.
 */

/** Put in the place of a secret. */
const MASK = '***';

/** A shorter one would be found in ordinary words. */
const LEAST_LENGTH = 6;

/** Text without a line end that is held back at most, in characters. */
const MOST_HELD = 64 * 1024;

const known = new Set<string>();
let longest = 0;
let pattern: RegExp | undefined;

/** Removes this value from everything that is redacted from now on. */
export function keepSecret(value: string): void {
  if (value.length < LEAST_LENGTH || known.has(value)) return;
  const quoted = JSON.stringify(value).slice(1, -1);
  const forms = [
    value,
    quoted,
    encodeURIComponent(value),
    shellWord(value).slice(1, -1),
    Buffer.from(value).toString('base64'),
  ];
  for (const form of forms) known.add(form);
  const all = [...known].sort((a, b) => b.length - a.length);
  longest = all[0]?.length ?? 0;
  pattern = new RegExp(all.map(regExpText).join('|'), 'g');
}

/** What gives itself away: passwords in URLs, tokens as the user of a web address, the value of an Authorization header. */
const SHAPES: readonly (readonly [RegExp, string])[] = [
  // Up to the last "@" before the path: a password may hold some.
  [/(:\/\/[^\s/@:?#'"<>]*):[^\s/?#'"<>]+@/gi, `$1:${MASK}@`],
  [/\b(https?:\/\/)[^\s/@:?#'"<>]+@/gi, `$1${MASK}@`],
  [/(authorization\\?["']?\s*[:=]\s*\\?["']?)[^\s"'\\][^\r\n"'\\]*/gi, `$1${MASK}`],
];

/** Returns the text without secrets. */
export function redact(text: string): string {
  const named = pattern === undefined ? text : text.replace(pattern, MASK);
  return SHAPES.reduce((rest, [shape, instead]) => rest.replace(shape, instead), named);
}

/** Redacts text that arrives in pieces of any length. */
export interface Redactor {
  /** What may be written now; the start of a line that is not whole yet is held back, for it may hold half a secret. */
  push(piece: Uint8Array | string): string;
  /** What was held back. */
  rest(): string;
}

/** Returns a redactor for one output stream of a program, which is UTF-8. */
export function createRedactor(): Redactor {
  const decoder = new StringDecoder('utf8');
  let held = '';
  return {
    push(piece) {
      held += typeof piece === 'string' ? piece : decoder.write(Buffer.from(piece));
      const end = Math.max(held.lastIndexOf('\n'), held.lastIndexOf('\r')) + 1;
      const whole = redact(held.slice(0, end));
      held = held.slice(end);
      if (held.length <= MOST_HELD) return whole;
      // What is found is masked; at the end there may be the beginning of another.
      const safe = redact(held);
      const cut = Math.max(0, safe.length - longest);
      held = safe.slice(cut);
      return whole + safe.slice(0, cut);
    },
    rest() {
      const last = redact(held + decoder.end());
      held = '';
      return last;
    },
  };
}

/** Returns a URL without user and password. */
export function withoutUserinfo(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1');
}
