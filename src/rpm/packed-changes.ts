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

/**
 * Returns package changes as one string, a line each: of thousands of builds that stays in memory, and is searched
 * without being taken apart.
 */
export function packChanges(diff: PackageDiff): string {
  const lines = diff.map((change) => {
    const [name, , { PreviousPackage: from, NewPackage: to }] = change;
    return [name, wordOf(change), from?.[1] ?? '', to?.[1] ?? ''].map(plain).join('\t');
  });
  return lines.length === 0 ? '' : `\n${lines.join('\n')}\n`;
}

/** Names of others must not look like the end of a field. */
const plain = (text: string): string => text.replaceAll(/[\t\n]/g, ' ');

/** @param wanted name of a package, in which `*` stands for any characters */
export function changeFinder(wanted: string): ChangeFinder {
  const name = plain(wanted);
  if (name.includes('*')) {
    const pattern = name.split('*').map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
    const line = new RegExp(`^${pattern.join('[^\\t\\n]*')}\\t[^\\n]*$`, 'gm');
    return (packed) => [...packed.matchAll(line)].map(([text]) => changeIn(text));
  }
  const start = `\n${name}\t`;
  return (packed) => {
    const found: FoundChange[] = [];
    for (let at = packed.indexOf(start); at !== -1; at = packed.indexOf(start, at + 1))
      found.push(changeIn(packed.slice(at + 1, packed.indexOf('\n', at + 1))));
    return found;
  };
}

function changeIn(line: string): FoundChange {
  const [name = '', word = '', from = '', to = ''] = line.split('\t');
  return { name, word: word as ChangeWord, from, to };
}
