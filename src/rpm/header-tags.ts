import { mainEntries, numbersOf, textsOf } from './signature/main-header.ts';
import { readRpmStart } from './signature/rpm-signature.ts';

/** Tags of a package's main header that are read for what it requires and installs (rpm's rpmtag.h). */
const TAG = {
  buildTime: 1006,
  fileModes: 1030,
  fileDigests: 1035,
  fileLinks: 1036,
  fileFlags: 1037,
  fileUser: 1039,
  requireName: 1049,
  changelogTime: 1080,
  changelogName: 1081,
  changelogText: 1082,
  dirIndexes: 1116,
  baseNames: 1117,
  dirNames: 1118,
  digestAlgorithm: 5011,
} as const;

type TagName = keyof typeof TAG;

/** Values in the main header of an RPM file. */
export interface RpmTags {
  /** Values of a text or a list of texts; none where there is no such tag. */
  texts(tag: TagName): string[];
  /** Values of a list of numbers; none where there is no such tag. */
  numbers(tag: TagName): number[];
}

/** Reads the main header of an RPM file; signatures are not looked at. @throws NightlyError `verify` naming file and fault. */
export async function readRpmTags(path: string): Promise<RpmTags> {
  const { header } = await readRpmStart(path);
  const byTag = new Map(mainEntries(header).map((entry) => [entry.tag, entry]));
  return {
    texts: (tag) => textsOf(byTag.get(TAG[tag])),
    numbers: (tag) => numbersOf(byTag.get(TAG[tag])).map(Number),
  };
}
