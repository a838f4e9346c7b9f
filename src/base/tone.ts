import { randomBytes } from 'node:crypto';

/** What a part of a line is to be seen as; beside a word or a symbol that says the same, never by colour alone. */
export type Tone = 'good' | 'warn' | 'bad' | 'busy' | 'idle' | 'head';

/** When colours are used: on a terminal, or in any case. */
export const COLOUR_MODES = ['auto', 'always', 'never'] as const;
export type ColourMode = (typeof COLOUR_MODES)[number];

/** Parameters of SGR (ECMA-48): the eight colours that each terminal and each theme has. */
const SGR: Readonly<Record<Tone, string>> = { good: '32', warn: '33', bad: '31', busy: '36', idle: '2', head: '1' };

/** Marks that nothing but `toned` can write: a text of others cannot hold what is drawn when the program starts (I12). */
const [BEGIN, END] = ['begin', 'end'].map((word) => `\u{e000}${randomBytes(8).toString('hex')}${word}`);
const MARK = new RegExp(`${BEGIN}(${Object.keys(SGR).join('|')});|${END}`, 'gu');

/** The streams that show colours. */
const streams = new Set<object>();

/** Has text that goes to a stream be shown with its tones from now on. */
export function useTones(stream: object): void {
  streams.add(stream);
}

/** Returns the text with its tone, for `coloured`; as it is when no stream shows colours. */
export function toned(tone: Tone, text: string): string {
  return streams.size > 0 ? `${BEGIN}${tone};${text}${END}` : text;
}

/** Returns how many characters of a text are seen. */
export function seenLength(text: string): number {
  return streams.size > 0 ? text.replace(MARK, '').length : text.length;
}

/**
 * Returns a text as that stream shows it: with its tones, or without them.
 * @param shown makes the parts in between harmless; applied to each
 */
export function coloured(text: string, stream: object, shown: (part: string) => string): string {
  if (streams.size === 0) return shown(text);
  const isShown = streams.has(stream);
  // Odd parts are what the pattern has in parentheses: the tone, or undefined for the end of one.
  return text
    .split(MARK)
    .map((part, index) => {
      if (index % 2 === 0) return shown(part);
      return isShown ? `\x1b[${toneCode(part)}m` : '';
    })
    .join('');
}

function toneCode(name: string | undefined): string {
  return Object.entries(SGR).find(([tone]) => tone === name)?.[1] ?? '0';
}

/**
 * Whether a stream gets colours: not with NO_COLOR (no-color.org) nor on a terminal without them (terminfo's `dumb`), unless FORCE_COLOR
 * or the mode says so.
 */
export function isColoured(
  stream: { readonly isTTY?: boolean },
  mode: ColourMode,
  env: NodeJS.ProcessEnv = process.env,
): boolean {
  if (mode !== 'auto') return mode === 'always';
  if (env['FORCE_COLOR']) return env['FORCE_COLOR'] !== '0' && env['FORCE_COLOR'] !== 'false';
  return stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}
