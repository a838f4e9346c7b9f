import type { HeaderEntry } from './signature/header.ts';
import { mainEntries, numbersOf, textsOf } from './signature/main-header.ts';
import { readRpmStart } from './signature/rpm-signature.ts';
import { tagName } from './signature/tag-names.ts';

/** A tag in which two packages differ. */
export interface TagDifference {
  /** `BUILDTIME`; `TAG 4711` for one that is not known here. */
  readonly tag: string;
  /** The first values that differ, for people; none where a package does not have the tag. */
  readonly one: readonly string[];
  readonly other: readonly string[];
  /** How many values differ. */
  readonly count: number;
  /** Paths of the packaged files that differ, where the tag has a value for each file. */
  readonly files?: readonly string[];
}

/** So many values of a tag are kept, and paths. */
const KEPT = 20;
const PATHS_KEPT = 1000;
/** Characters of a value that are kept. */
const LONGEST = 200;

/**
 * Compares the main headers of two RPM files tag by tag. Equal headers differ in nothing.
 * @returns differences in the order of the tags' numbers
 * @throws NightlyError `verify` for a file that is not an RPM.
 */
export async function headerDifferences(one: string, other: string): Promise<TagDifference[]> {
  const [a, b] = [await entriesByTag(one), await entriesByTag(other)];
  const tags = [...new Set([...a.keys(), ...b.keys()])].sort((x, y) => x - y);
  return tags.flatMap((tag) => differenceOf(tag, a, b) ?? []);
}

type Entries = ReadonlyMap<number, HeaderEntry>;

async function entriesByTag(path: string): Promise<Entries> {
  return new Map(mainEntries((await readRpmStart(path)).header).map((entry) => [entry.tag, entry]));
}

function differenceOf(tag: number, a: Entries, b: Entries): TagDifference | undefined {
  const [one, other] = [a.get(tag), b.get(tag)];
  if (one && other && one.type === other.type && one.data.equals(other.data)) return undefined;
  const [left, right] = [valuesOf(one), valuesOf(other)];
  const length = Math.max(left.length, right.length);
  const wrong = Array.from({ length }, (_, index) => index).filter((index) => left[index] !== right[index]);
  const shown = wrong.slice(0, KEPT);
  const paths = pathsOf(a);
  const isPerFile = hasValueForEachFile(tag) && left.length === paths.length && right.length === paths.length;
  return {
    tag: tagName(tag),
    one: shown.flatMap((index) => left[index] ?? []).map(short),
    other: shown.flatMap((index) => right[index] ?? []).map(short),
    count: Math.max(wrong.length, 1),
    ...(isPerFile && { files: wrong.slice(0, PATHS_KEPT).map((index) => paths[index] ?? '') }),
  };
}

/** rpm's names of such tags all begin so. */
const hasValueForEachFile = (tag: number): boolean =>
  tagName(tag).startsWith('FILE') && tagName(tag) !== 'FILEDIGESTALGO';

const short = (text: string): string => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);

function valuesOf(entry: HeaderEntry | undefined): string[] {
  if (entry === undefined) return [];
  const texts = textsOf(entry);
  if (texts.length > 0) return texts;
  const numbers = numbersOf(entry);
  return numbers.length > 0 ? numbers.map(String) : [entry.data.toString('hex')];
}

/** Tags whose values together are the paths of the packaged files. */
const [DIR_INDEXES, BASE_NAMES, DIR_NAMES] = [1116, 1117, 1118];

function pathsOf(entries: Entries): string[] {
  const folders = textsOf(entries.get(DIR_NAMES));
  const indexes = numbersOf(entries.get(DIR_INDEXES));
  return textsOf(entries.get(BASE_NAMES)).map((name, at) => `${folders[Number(indexes[at] ?? 0n)] ?? ''}${name}`);
}
