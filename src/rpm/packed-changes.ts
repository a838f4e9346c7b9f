import { type ChangeWord, type PackageDiff, wordOf } from './pkgdiff.ts';

/** What became of a package in a build. */
export interface FoundChange {
  readonly name: string;
  readonly word: ChangeWord;
  /** `[epoch:]version-release`; empty for one that was added. */
  readonly from: string;
  /** Empty for one that was removed. */
  readonly to: string;
}

/** Finds changes of packages by name; `*` stands for any characters. */
export type ChangeFinder = (packed: string) => FoundChange[];

/** Returns package changes in the words of lists. */
export function foundChanges(diff: PackageDiff): FoundChange[] {
  return diff.map((change) => {
    const [name, , { PreviousPackage: from, NewPackage: to }] = change;
    return { name, word: wordOf(change), from: from?.[1] ?? '', to: to?.[1] ?? '' };
  });
}

/**
 * Returns package changes as one string, a line each: of thousands of builds that stays in memory, and is searched
 * without being taken apart.
 */
export function packChanges(diff: PackageDiff): string {
  const lines = foundChanges(diff).map(({ name, word, from, to }) => [name, word, from, to].map(plain).join('\t'));
  return lines.length === 0 ? '' : `\n${lines.join('\n')}\n`;
}

/** Names of others must not look like the end of a field. */
const plain = (text: string): string => text.replaceAll(/[\t\n]/g, ' ');

/** @param wanted name of a package, in which `*` stands for any characters */
export function changeFinder(wanted: string): ChangeFinder {
  const name = plain(wanted);
  if (name.includes('*')) return patternFinder(name.split('*'));
  const start = `\n${name}\t`;
  return (packed) => {
    const found: FoundChange[] = [];
    for (let at = packed.indexOf(start); at !== -1; at = packed.indexOf(start, at + 1))
      found.push(changeIn(packed.slice(at + 1, packed.indexOf('\n', at + 1))));
    return found;
  };
}

/**
 * Anybody may ask for any pattern: a regular expression with many stars would try every way to spread a name over them, so parts
 * are looked for one behind the other.
 * @param parts what stands before, between and behind the stars
 */
function patternFinder(parts: readonly string[]): ChangeFinder {
  const [longest = ''] = parts.toSorted((a, b) => b.length - a.length);
  return (packed) => {
    const found: FoundChange[] = [];
    // Most lines have nothing of it, and are passed over without a look.
    for (let at = packed.indexOf(longest, 1); at !== -1 && at < packed.length; ) {
      const end = packed.indexOf('\n', at);
      if (end === -1) break;
      const line = packed.slice(packed.lastIndexOf('\n', at - 1) + 1, end);
      if (fitsParts(parts, line.slice(0, line.indexOf('\t')))) found.push(changeIn(line));
      at = packed.indexOf(longest, end + 1);
    }
    return found;
  };
}

function fitsParts(parts: readonly string[], name: string): boolean {
  const [first = '', last = ''] = [parts[0], parts.at(-1)];
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
  const end = name.length - last.length;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, at);
    if (found === -1 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

function changeIn(line: string): FoundChange {
  const [name = '', word = '', from = '', to = ''] = line.split('\t');
  return { name, word: word as ChangeWord, from, to };
}
