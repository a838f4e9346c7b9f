import { NightlyError } from './errors.ts';

/** Where a format has its version, and the newest that this program reads. It reads all earlier ones, and writes that one. */
export interface FormatVersion {
  /** Key at the top of the record. A record without it is of version 1, where its schema allows that. */
  readonly key: string;
  readonly newest: number;
}

/**
 * The versions of what is kept in a work folder, by what messages call the record: the one home of these numbers. docs/formats.md
 * has the same table. Records of coreos-assembler's and rpm-ostree's formats have the keys of those and no version; in
 * `meta.json` ours would be `atomic-nightly.format`, and it is not written while there is one only.
 */
export const FORMATS = {
  build: { key: 'atomic-nightly.format', newest: 1 },
  'tag of a build': { key: 'version', newest: 1 },
  'tests of a build': { key: 'version', newest: 1 },
  provenance: { key: 'version', newest: 1 },
  advisories: { key: 'version', newest: 1 },
  'distance from upstream': { key: 'version', newest: 2 },
  'what the log has of a build': { key: 'version', newest: 1 },
  'release log': { key: 'version', newest: 1 },
  'audit state': { key: 'version', newest: 1 },
  'audit report': { key: 'version', newest: 1 },
  'tag of koji': { key: 'version', newest: 1 },
  'failure of a tag': { key: 'version', newest: 1 },
  service: { key: 'format', newest: 1 },
  job: { key: 'job-version', newest: 1 },
  commitment: { key: 'commitment-version', newest: 1 },
  result: { key: 'result-version', newest: 1 },
  draw: { key: 'draw-version', newest: 1 },
  'day of draws': { key: 'day-version', newest: 1 },
  dispute: { key: 'dispute-version', newest: 1 },
  'class of a package': { key: 'class-version', newest: 1 },
  builder: { key: 'ledger-version', newest: 1 },
  'check of a builder': { key: 'check-version', newest: 1 },
  'baseline of a builder': { key: 'baseline-version', newest: 1 },
  'build root': { key: 'root-version', newest: 1 },
  'laid out root': { key: 'tree-version', newest: 1 },
  lab: { key: 'format', newest: 1 },
} as const satisfies Readonly<Record<string, FormatVersion>>;

/** The cause of an error about a record whose format is newer than this program. */
export class NewerFormat extends Error {
  readonly version: number;
  readonly newest: number;

  constructor(version: number, newest: number) {
    super(`format ${version}, newest known ${newest}`);
    this.version = version;
    this.newest = newest;
  }
}

/**
 * Refuses a record that a newer version of this program wrote: what it says may mean something else by then.
 * @param stored the record as it is stored, of any shape
 * @param place the file, for the message
 * @throws NightlyError `record` with a `NewerFormat` as its cause
 */
export function refuseNewer(stored: unknown, { key, newest }: FormatVersion, place: string): void {
  if (typeof stored !== 'object' || stored === null) return;
  const version: unknown = Object.getOwnPropertyDescriptor(stored, key)?.value;
  if (typeof version !== 'number' || !Number.isInteger(version) || version <= newest) return;
  throw new NightlyError(
    'record',
    `${place} was written by a newer atomic-nightly: format ${version}, this one reads up to ${newest}.`,
    {
      hint: 'Use that version or a later one. Nothing was changed.',
      cause: new NewerFormat(version, newest),
    },
  );
}
