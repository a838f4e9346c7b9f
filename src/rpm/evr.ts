import { byText } from '../base/by-text.ts';
import { NightlyError } from '../base/errors.ts';
import { isPackageName } from './rpm-names.ts';

/** Epoch, version and release of an RPM. The epoch is a number in a string, "0" when there is none. */
export interface Evr {
  readonly epoch: string;
  readonly version: string;
  readonly release: string;
}

/** An EVR with the architecture it was built for. */
export interface Evra extends Evr {
  readonly arch: string;
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57;
const isLetter = (code: number): boolean => (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
const TILDE = 126;
const CARET = 94;

/**
 * Compares two version or release strings as RPM does (rpm-version(7)): runs of digits count as numbers, runs of
 * letters by ASCII, digits are newer than letters, other characters only separate; `~` sorts before everything, even
 * the end; `^` sorts after the end, but before anything else.
 * @returns negative, 0 or positive, as for `Array.sort`.
 */
export function compareVersions(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while (i < a.length && !isPart(a.charCodeAt(i))) i += 1;
    while (j < b.length && !isPart(b.charCodeAt(j))) j += 1;
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(j);
    if (left === TILDE || right === TILDE) {
      if (left !== TILDE) return 1;
      if (right !== TILDE) return -1;
      i += 1;
      j += 1;
      continue;
    }
    if (left === CARET || right === CARET) {
      if (i >= a.length) return -1;
      if (j >= b.length) return 1;
      if (left !== CARET) return 1;
      if (right !== CARET) return -1;
      i += 1;
      j += 1;
      continue;
    }
    if (i >= a.length || j >= b.length) break;
    const kind = isDigit(left) ? isDigit : isLetter;
    const one = runOf(a, i, kind);
    const other = runOf(b, j, kind);
    // A number is newer than letters.
    if (other === '') return kind === isDigit ? 1 : -1;
    const order = kind === isDigit ? compareNumbers(one, other) : byText(one, other);
    if (order !== 0) return order;
    i += one.length;
    j += other.length;
  }
  return Math.sign(a.length - i - (b.length - j));
}

/** Compares epochs as numbers, then versions, then releases. */
export function compareEvr(a: Evr, b: Evr): number {
  return (
    compareNumbers(a.epoch, b.epoch) || compareVersions(a.version, b.version) || compareVersions(a.release, b.release)
  );
}

/**
 * Reads `[epoch:]version-release.arch`; undefined when it is not of that form. The characters are those that rpm allows
 * (build/parsePreamble.c, `ALLOWED_CHARS_VERREL`): what passes is part of file names.
 */
export function parseEvra(text: string): Evra | undefined {
  const match = /^(?:(\d{1,10}):)?([\w.+%{}~^]+)-([\w.+%{}~^]+)\.(\w+)$/.exec(text);
  if (!match) return undefined;
  const [, epoch = '0', version = '', release = '', arch = ''] = match;
  return { epoch: epoch.replace(/^0+(?=\d)/, ''), version, release, arch };
}

/** `name-[epoch:]version-release.arch` as dnf and rpm-ostree print packages; undefined when it is not of that form. */
export function parseNevra(text: string): (Evra & { readonly name: string }) | undefined {
  const match = /^(.+)-([^-]+-[^-]+)$/.exec(text);
  const evra = match?.[2] === undefined ? undefined : parseEvra(match[2]);
  return evra && match?.[1] !== undefined && isPackageName(match[1]) ? { name: match[1], ...evra } : undefined;
}

/** `[epoch:]version-release.arch`; an epoch of 0 is left out. */
export function formatEvra({ epoch, version, release, arch }: Evra): string {
  return `${epoch === '0' ? '' : `${epoch}:`}${version}-${release}.${arch}`;
}

/**
 * As RPM files are named: without the epoch.
 * @param evra `[epoch:]version-release.arch`
 * @throws NightlyError `bug` for a name or version that no border let in: a path is made of it.
 */
export function rpmFileName(name: string, evra: string): string {
  const parsed = parseEvra(evra);
  if (!parsed || !isPackageName(name)) throw new NightlyError('bug', `"${name}-${evra}" names no package.`);
  const { version, release, arch } = parsed;
  return `${name}-${version}-${release}.${arch}.rpm`;
}

function isPart(code: number): boolean {
  return isDigit(code) || isLetter(code) || code === TILDE || code === CARET;
}

function runOf(text: string, start: number, kind: (code: number) => boolean): string {
  let end = start;
  while (end < text.length && kind(text.charCodeAt(end))) end += 1;
  return text.slice(start, end);
}

/** Numbers of any length, so no conversion: without leading zeros the longer one is greater. */
function compareNumbers(a: string, b: string): number {
  const one = a.replace(/^0+/, '');
  const other = b.replace(/^0+/, '');
  return one.length === other.length ? byText(one, other) : Math.sign(one.length - other.length);
}
