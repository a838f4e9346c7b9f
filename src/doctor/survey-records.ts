import { readdir } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import pLimit from 'p-limit';
import { NightlyError } from '../base/errors.ts';
import { isErrno, readRegular } from '../base/files.ts';
import { NewerFormat } from '../base/format-versions.ts';
import { fitsGlob } from '../base/glob.ts';
import { type RecordFormat, readRecord } from '../base/read-record.ts';
import { isUnreadable, unreadable } from '../base/unreadable.ts';
import { readApprovals } from '../build/approvals.ts';
import { ADVISORIES } from '../build/build-advisories.ts';
import { RECORD_FILE } from '../build/build-files.ts';
import { readBuildMeta, readStepTimes } from '../build/build-record-format.ts';
import { parseTag } from '../build/build-tags.ts';
import { surveyJournal } from '../build/journal.ts';
import { parseTests } from '../build/tests-record.ts';
import { parseUpstream } from '../build/upstream-record.ts';
import { TAG_CHANGE } from '../content/tag-history.ts';
import { TAG_STATE } from '../content/tag-state.ts';
import { parseProvenance } from '../engines/provenance/provenance-format.ts';
import { AUDIT_STATE } from '../publish/audit/audit-ledger.ts';
import { AUDIT_REPORT } from '../publish/audit/audit-report.ts';
import { LOG_STATE } from '../publish/log/log-state.ts';
import { KNOWN_ROOT } from '../rebuild/build-root.ts';
import { CHECK, LEDGER } from '../rebuild/builder-ledger.ts';
import { DISPUTE } from '../rebuild/dispute-record.ts';
import { DRAW_DAY } from '../rebuild/draw-secrets.ts';
import { COMMITMENT, JOB } from '../rebuild/job.ts';
import { LAID_TREE } from '../rebuild/laid-tree.ts';
import { CLASS_RECORD } from '../rebuild/package-classes.ts';
import { RESULT } from '../rebuild/result.ts';
import { DRAW } from '../rebuild/result-store.ts';
import { parseLockfile } from '../rpm/lockfile.ts';
import { LOGGED } from '../steps/log/log-build.ts';
import { BASELINE } from '../steps/rebuild/check-machine.ts';

/** A kind of record in the work folder. */
export interface RecordKind {
  /** Path below the work folder; `*` is any name of a part of it. */
  readonly path: string;
  /** Reads one with the reader that everything else uses. @throws NightlyError when it cannot be used */
  read(content: Uint8Array, path: string): unknown;
}

/** A record that this program does not read. */
export interface RefusedRecord {
  /** Below the work folder. */
  readonly path: string;
  /** The format's version, where it is a newer one; undefined for a damaged record. */
  readonly newerFormat: number | undefined;
  readonly message: string;
  readonly hint: string | undefined;
}

/** What reading every record has found. */
export interface RecordSurvey {
  /** How many were read, by the path of their kind. */
  readonly read: Readonly<Record<string, number>>;
  readonly refused: readonly RefusedRecord[];
}

const record = (path: string, format: RecordFormat<unknown>): RecordKind => ({
  path,
  read: (content, file) => readRecord(content, format, file),
});

/** One record a line; the last may have been cut short by a kill. */
const lines = (path: string, format: RecordFormat<unknown>): RecordKind => ({
  path,
  read(content, file) {
    const whole = new TextDecoder().decode(content).split('\n').slice(0, -1);
    for (const [at, line] of whole.entries()) readRecord(line, format, `${file}:${at + 1}`);
  },
});

/** All kinds that are kept for good, but the service's, which is above this folder: caches are made again, locks are of a moment. */
const KINDS: readonly RecordKind[] = [
  {
    path: `builds/*/*/${RECORD_FILE}`,
    read: (content, path) =>
      readBuildMeta(content, { id: basename(dirname(dirname(path))), arch: basename(dirname(path)) }, path),
  },
  { path: 'builds/*/*/steps.json', read: readStepTimes },
  { path: 'builds/*/*/tests.json', read: parseTests },
  { path: 'builds/*/*/approvals.json', read: (_, path) => readApprovals(path) },
  { path: 'builds/*/*/journal.ndjson', read: readJournalStrictly },
  { path: 'builds/*/*/lockfile.json', read: (content, path) => parseLockfile(new TextDecoder().decode(content), path) },
  { path: 'builds/*/*/provenance.json', read: parseProvenance },
  record('builds/*/*/advisories.json', ADVISORIES),
  { path: 'builds/*/*/upstream.json', read: parseUpstream },
  record('builds/*/*/logged.json', LOGGED),
  { path: 'tags/*.json', read: (content, path) => parseTag(content, basename(path, '.json'), path) },
  record('log/state.json', LOG_STATE),
  record('audit/*.report.json', AUDIT_REPORT),
  record('audit/audit-*.json', AUDIT_STATE),
  record('content/tags/*/state.json', TAG_STATE),
  lines('content/tags/*/history.ndjson', TAG_CHANGE),
  record('rebuild/jobs/*/job.json', JOB),
  record('rebuild/jobs/*/result.json', RESULT),
  record('rebuild/jobs/*/*/commitment.json', COMMITMENT),
  record('rebuild/results/*/result.json', RESULT),
  record('rebuild/results/*/draw.json', DRAW),
  record('rebuild/draws/*.json', DRAW_DAY),
  record('rebuild/disputes/*/dispute.json', DISPUTE),
  record('rebuild/classes/*.json', CLASS_RECORD),
  record('rebuild/builders/*.check.json', CHECK),
  record('rebuild/builders/*.json', LEDGER),
  record('rebuild/roots/*/root.json', KNOWN_ROOT),
  record('rebuild/roots/*/tree.json', LAID_TREE),
  record('builders/*/baseline.json', BASELINE),
];

async function readJournalStrictly(_: Uint8Array, path: string): Promise<void> {
  const { faults } = await surveyJournal(path);
  if (faults[0]) throw faults[0];
}

/** Files read side by side. */
const PARALLEL = 16;

/**
 * Reads every record in a work folder as the rest of the program would, and changes nothing. A file that fits several kinds is of the
 * first of them.
 * @param others kinds that this folder does not know
 */
export async function surveyRecords(work: string, others: readonly RecordKind[]): Promise<RecordSurvey> {
  const seen = new Set<string>();
  const read: Record<string, number> = {};
  const refused: RefusedRecord[] = [];
  for (const kind of [...KINDS, ...others]) {
    const paths = (await matching(work, kind.path.split('/'))).filter((path) => !seen.has(path)).sort();
    for (const path of paths) seen.add(path);
    const found = await pLimit(PARALLEL).map(paths, (path) => refusalOf(kind, path, work));
    if (paths.length > 0) read[kind.path] = paths.length;
    refused.push(...found.flatMap((one) => one ?? []));
  }
  return { read, refused };
}

/** Returns the paths below a folder that fit the parts of a pattern. */
async function matching(folder: string, [part, ...rest]: readonly string[]): Promise<string[]> {
  if (part === undefined) return [folder];
  const names = await readdir(folder).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return [];
    throw error;
  });
  const found = names.filter((name) => fitsGlob(part, name)).map((name) => matching(join(folder, name), rest));
  return (await Promise.all(found)).flat();
}

async function refusalOf(kind: RecordKind, path: string, work: string): Promise<RefusedRecord | undefined> {
  try {
    await kind.read(await readRegular(path), path);
    return undefined;
  } catch (error) {
    const fault = isUnreadable(error) ? unreadable(path, error) : error;
    if (isErrno(fault, 'ENOENT')) return undefined;
    if (!(fault instanceof NightlyError)) throw fault;
    const { message, hint, cause } = fault;
    return {
      path: relative(work, path),
      newerFormat: cause instanceof NewerFormat ? cause.version : undefined,
      ...{ message, hint },
    };
  }
}
