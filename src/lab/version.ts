import { NightlyError } from '../base/errors.ts';

/** A Debian version as RPM's three parts. `epoch` 0 is left out of the text form, as RPM does. */
export interface Evr {
  readonly epoch: number;
  readonly version: string;
  readonly release: string;
}

/**
 * Higher than any number a version has: RPM compares digit runs by length first. Stands for "sorts above every
 * number", which RPM has no other way to say.
 */
const ABOVE_NUMBERS = '9'.repeat(16);

/**
 * Maps a Debian version to RPM's epoch, version and release so that the order is kept: for any two Debian versions,
 * `dpkg --compare-versions` and RPM's comparison of the mapped ones agree. Common versions stay as they are
 * (`252.39-1~deb12u2`, `2.36-9+deb12u14`, `3.4~rc1`).
 *
 * Both compare digit runs as numbers; they differ in what lies between. After a number Debian's order is
 * `~`, the end, letters, `+`, `-`, `.`, `:`; RPM's is `~`, the end, `^`, letters, another number, and all other
 * characters only separate. So after a number
 *
 * | Debian      | RPM                                                          |
 * |-------------|--------------------------------------------------------------|
 * | `~x`        | `~x`; `~` before a digit or the end: `~^`                    |
 * | letters     | `^letters` (`9.2p1` becomes `9.2^p1`)                        |
 * | `+x`        | `+x`; `+` before a digit or `~`: `+A`; before `A`: `+AA`      |
 * | `-x`        | `zfx`                                                        |
 * | `.~`        | `zg~`                                                        |
 * | `.` number  | the same                                                     |
 * | `.x`        | a number above all others, then `x`; `:x` the same with `zf` |
 *
 * and within letters `z + - . :` become `za zb zc zd ze`. Debian counts a missing number as 0, so one is written out.
 * After `+deb` or `~deb` and a number, where letters are usual and a `+` is not, it is the other way round so that
 * `+deb12u7` stays readable: letters stay, and `+`, `-` and `.~` become `zb`, `zc` and `zd~`.
 *
 * Order of Debian versions: deb-version(7); of RPM's: rpm-version(7).
 * @throws NightlyError `unsupported` for a number of 16 or more digits.
 */
export function evrOfDebianVersion(text: string): Evr {
  const colon = text.indexOf(':');
  const epoch = colon < 0 ? 0 : Number(text.slice(0, colon));
  const rest = text.slice(colon + 1);
  const dash = rest.lastIndexOf('-');
  const upstream = dash < 0 ? rest : rest.slice(0, dash);
  const revision = dash < 0 ? '0' : rest.slice(dash + 1);
  if (/\d{16}/.test(rest.replace(/(?<!\d)0+(?=\d)/g, '')) || !Number.isSafeInteger(epoch)) {
    throw new NightlyError('unsupported', `The Debian version ${text} has a number of more than 15 digits.`, {
      hint: 'Leave this package out of the lab.',
    });
  }
  return { epoch, version: mapPart(upstream), release: mapPart(revision) };
}

/** `[epoch:]version-release`, as RPM dependencies write it. */
export function formatEvr(evr: Evr): string {
  return `${evr.epoch > 0 ? `${evr.epoch}:` : ''}${evr.version}-${evr.release}`;
}

function mapPart(text: string): string {
  let out = '';
  let rest = text;
  const leading = takeNonDigits(rest);
  if (leading !== '') {
    // Debian compares what is before the first digit with nothing, so this sorts above or (`~`) below every number.
    out = leading.startsWith('~') ? mapLetters(leading) : `${ABOVE_NUMBERS}${mapLetters(leading)}`;
    rest = rest.slice(leading.length);
  }
  const first = takeDigits(rest);
  out += first || '0';
  rest = rest.slice(first.length);
  let before = leading;
  while (rest !== '') {
    const between = takeNonDigits(rest);
    rest = rest.slice(between.length);
    const number = takeDigits(rest);
    rest = rest.slice(number.length);
    out += mapAfterNumber(between, /^[+~]deb$/.test(before)) + (number || '0');
    before = between;
  }
  return out;
}

const takeDigits = (text: string): string => /^\d*/.exec(text)?.[0] ?? '';
const takeNonDigits = (text: string): string => /^\D*/.exec(text)?.[0] ?? '';

function mapAfterNumber(between: string, afterDeb: boolean): string {
  const tail = between.slice(1);
  if (afterDeb && /^([A-Za-z+-]|\.~)/.test(between)) return mapLetters(between);
  switch (between[0]) {
    case '~':
      return mapLetters(between);
    case '+':
      return `+${tail === '' || /^[~A]/.test(tail) ? 'A' : ''}${mapLetters(tail)}`;
    case '-':
      return `zf${mapLetters(tail)}`;
    case ':':
      return `.${ABOVE_NUMBERS}zf${mapLetters(tail)}`;
    case '.':
      if (tail === '') return '.';
      return tail.startsWith('~') ? `zg${mapLetters(tail)}` : `.${ABOVE_NUMBERS}${mapLetters(tail)}`;
    default:
      return `^${mapLetters(between)}`;
  }
}

const ESCAPED: Readonly<Record<string, string>> = { z: 'za', '+': 'zb', '-': 'zc', '.': 'zd', ':': 'ze' };

function mapLetters(text: string): string {
  const mapped = text.replace(/[z+\-.:]/g, (character) => ESCAPED[character] ?? character);
  // A number straight after `~` would sort above letters there; `^` puts it below them.
  return mapped.endsWith('~') ? `${mapped}^` : mapped;
}
