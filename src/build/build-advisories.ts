import { z } from 'zod';
import { FORMATS } from '../base/format-versions.ts';
import { type RecordFormat, readRecord, recordFormat, recordText } from '../base/read-record.ts';
import type { FixedAdvisory } from '../rpm/fixed-advisories.ts';

/** `advisories.json`: which advisories of the repositories' updateinfo the package changes of a build bring. */
export interface BuildAdvisories {
  /** Version of the format; a newer one is refused. */
  readonly version: 1;
  /** Ids of the repositories that have updateinfo, sorted. */
  readonly repositories: readonly string[];
  /** Repositories whose updateinfo could not be read: advisories of theirs may be missing. Not there when all were read. */
  readonly unread?: readonly string[];
  /** Sorted by id. */
  readonly advisories: readonly FixedAdvisory[];
}

const text = z.string();

/** The advisories in `advisories.json` and in `meta.json`. */
export const fixedAdvisories = z.array(
  z.looseObject({
    id: text,
    type: text,
    severity: text.exactOptional(),
    title: text,
    cves: z.array(text),
    packages: z.array(z.looseObject({ name: text, from: text, to: text, fixed: text })),
  }),
);

/** The format of `advisories.json`. */
export const ADVISORIES: RecordFormat<BuildAdvisories> = recordFormat({
  version: FORMATS.advisories,
  schema: z.looseObject({
    version: z.literal(FORMATS.advisories.newest),
    repositories: z.array(text),
    unread: z.array(text).exactOptional(),
    advisories: fixedAdvisories,
  }),
  hint: 'Bring it back from a backup or from a target that has it.',
});

/** Returns the text of an `advisories.json`. */
export function buildAdvisoriesText(advisories: BuildAdvisories): string {
  return recordText(advisories, ADVISORIES);
}

/** Reads an `advisories.json`. @throws NightlyError `record` when it is damaged or of a later version. */
export function readBuildAdvisories(content: string | Uint8Array, place: string): BuildAdvisories {
  return readRecord(content, ADVISORIES, place);
}
