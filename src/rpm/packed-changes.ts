import { deflateRawSync, inflateRawSync } from 'node:zlib';
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

/** Returns package changes in the words of lists. */
export function foundChanges(diff: PackageDiff): FoundChange[] {
  return diff.map((change) => {
    const [name, , { PreviousPackage: from, NewPackage: to }] = change;
    return { name, word: wordOf(change), from: from?.[1] ?? '', to: to?.[1] ?? '' };
  });
}

/** Changes of one build, packed: of thousands of builds they stay in memory, and are seldom asked for. */
export interface PackedChanges {
  /** Which package each is of, by the numbers of `packageNumber`. */
  readonly packages: Uint32Array;
  /** What became of them, in the same order: a line each, deflated. */
  readonly lines: Uint8Array;
}

const NAMES: string[] = [];
const NUMBERS = new Map<string, number>();

/** Each name is kept once: distributions have some thousands, whatever the number of builds. */
function packageNumber(name: string): number {
  const known = NUMBERS.get(name);
  if (known !== undefined) return known;
  NUMBERS.set(name, NAMES.length);
  return NAMES.push(name) - 1;
}

/** Packs package changes, so that they can be searched without being unpacked. */
export function packChanges(diff: PackageDiff): PackedChanges {
  const changes = foundChanges(diff);
  const lines = changes.map(({ word, from, to }) => [word, from, to].map(plain).join('\t')).join('\n');
  return {
    packages: Uint32Array.from(changes, ({ name }) => packageNumber(name)),
    // Copied: what zlib returns is the beginning of a larger buffer.
    lines: new Uint8Array(deflateRawSync(lines, { level: 1 })),
  };
}

/** Versions of others must not look like the end of a field. */
const plain = (text: string): string => text.replaceAll(/[\t\n]/g, ' ');

/** Finds the changes that are wanted among those of a build. */
export type ChangeFinder = (packed: PackedChanges) => FoundChange[];

/** @param wanted name of a package, in which `*` stands for any characters */
export function changeFinder(wanted: string): ChangeFinder {
  const parts = wanted.split('*');
  // By number: over thousands of builds a million and more are looked at, and in a Set each takes several times as long.
  let wantedNumbers = new Uint8Array(0);
  let isAnyWanted = false;
  return ({ packages, lines }) => {
    // Builds that were packed since may have brought new names.
    if (wantedNumbers.length < NAMES.length) {
      const grown = new Uint8Array(NAMES.length);
      grown.set(wantedNumbers);
      for (let number = wantedNumbers.length; number < NAMES.length; number += 1) {
        if (!fitsParts(parts, NAMES[number] ?? '')) continue;
        grown[number] = 1;
        isAnyWanted = true;
      }
      wantedNumbers = grown;
    }
    if (!isAnyWanted) return [];
    const places: number[] = [];
    for (let at = 0; at < packages.length; at += 1) if (wantedNumbers[packages[at] ?? 0] === 1) places.push(at);
    if (places.length === 0) return [];
    const all = inflateRawSync(lines).toString().split('\n');
    return places.map((at) => {
      const [word = '', from = '', to = ''] = (all[at] ?? '').split('\t');
      return { name: NAMES[packages[at] ?? 0] ?? '', word: word as ChangeWord, from, to };
    });
  };
}

/**
 * Anybody may ask for any pattern: a regular expression with many stars would try every way to spread a name over them, so parts
 * are looked for one behind the other.
 * @param parts what stands before, between and behind the stars; one part is the whole name
 */
function fitsParts(parts: readonly string[], name: string): boolean {
  const [first = '', last = ''] = [parts[0], parts.at(-1)];
  if (parts.length === 1) return name === first;
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
