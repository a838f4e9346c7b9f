import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { ifThere, readTextIfExists, sha256, textIfThere, writeFileAtomic } from '../base/files.ts';
import { FORMATS } from '../base/format-versions.ts';
import { type RecordOf, readRecord, recordFormat, recordText } from '../base/read-record.ts';
import { isUnreadable, unreadable } from '../base/unreadable.ts';
import { RATED_LEVELS } from './builder-levels.ts';
import { rebuildFolder, resultFolder } from './rebuild-folder.ts';
import { jobId, RESULT, type RebuildResult, signedText } from './result.ts';

/** What was drawn for a result (`work/rebuild/results/JOB/draw.json`); a result without it is not decided yet. */
export const DRAW = recordFormat({
  version: FORMATS.draw,
  schema: z.looseObject({
    'draw-version': z.literal(FORMATS.draw.newest),
    /** UTC day whose secret decided: that on which the result arrived. */
    day: z.iso.date(),
    /** Level of the builder then, and how many of its results are built a second time. */
    level: z.enum(RATED_LEVELS),
    rate: z.number().min(0).max(1),
    /** Whether another operator has to build the same. */
    wanted: z.boolean(),
    /** The job that does; it starts no sooner than `not-before`, in seconds since 1970. */
    duplicate: z.looseObject({ job: jobId, 'not-before': z.int().min(0) }).exactOptional(),
  }),
  hint: 'Remove it, and hand the result in again: the same secret of the day decides the same.',
});

export type Draw = RecordOf<typeof DRAW>;

/** A result that is kept, and what was drawn for it. */
export interface KeptResult {
  readonly result: RebuildResult;
  readonly draw: Draw | undefined;
}

/** Every result that can be read, and what is wrong with the others (I15). */
export interface KeptResults {
  /** Sorted by the time at which they arrived, oldest first. */
  readonly results: readonly KeptResult[];
  readonly faults: readonly NightlyError[];
}

const resultPath = (work: string, job: string): string => join(resultFolder(work, job), 'result.json');
const drawPath = (work: string, job: string): string => join(resultFolder(work, job), 'draw.json');

/** Returns where the signed statement of a result is. */
export const statementPath = (work: string, job: string): string =>
  join(resultFolder(work, job), 'statement.intoto.jsonl');

/** Returns the digest of what a builder signed for its result: what draws are made of. */
export const resultDigest = ({ job, packages }: Pick<RebuildResult, 'job' | 'packages'>): string =>
  sha256(
    signedText(
      job,
      packages.map((one) => one.sha256),
    ),
  );

/**
 * Keeps a result, before anything is decided about it. A job has one result: the same again changes nothing.
 * @throws NightlyError `verify` for another result of a job that has one.
 */
export async function keepResult(work: string, result: RebuildResult): Promise<void> {
  const path = resultPath(work, result.job);
  const before = await readTextIfExists(path);
  if (before === undefined) return writeFileAtomic(path, recordText(result, RESULT));
  const known = readRecord(before, RESULT, path);
  if (known.builder === result.builder && resultDigest(known) === resultDigest(result)) return;
  throw new NightlyError('verify', `Job ${result.job} has a result of ${known.builder} already, and this is another.`, {
    hint: 'The first one counts; this one, late or sent twice, is not used.',
  });
}

/** Returns a result that is kept; undefined when there is none. @throws NightlyError `record` when it is damaged. */
export function readKeptResult(work: string, job: string): KeptResult | undefined {
  const path = resultPath(work, job);
  const text = textIfThere(path);
  if (text === undefined) return undefined;
  const result = readRecord(text, RESULT, path);
  const place = drawPath(work, job);
  const drawn = textIfThere(place);
  return { result, draw: drawn === undefined ? undefined : readRecord(drawn, DRAW, place) };
}

/** Keeps what was drawn for a result. */
export async function writeDraw(work: string, job: string, draw: Draw): Promise<void> {
  await writeFileAtomic(drawPath(work, job), recordText(draw, DRAW));
}

/** Results read before others have their turn. */
export const AT_A_TIME = 50;

/** Returns the jobs that have a folder for their result, in no order. */
export async function jobsWithResult(work: string): Promise<string[]> {
  const names = (await ifThere(readdir(join(rebuildFolder(work), 'results')))) ?? [];
  return names.filter((name) => jobId.safeParse(name).success);
}

/** What says what a result is, what was drawn for it, and who stands for it: names in the folder of a result. */
export const RESULT_FILES = ['result.json', 'draw.json', 'statement.intoto.jsonl'] as const;

/** Returns a result that is kept, or what is wrong with it; undefined where there is none of that job. */
export function resultOrFault(work: string, job: string): KeptResult | NightlyError | undefined {
  try {
    const kept = readKeptResult(work, job);
    return kept?.result.job === job ? kept : undefined;
  } catch (error) {
    if (error instanceof NightlyError) return error;
    if (isUnreadable(error)) return unreadable(resultPath(work, job), error);
    throw error;
  }
}

/** Reads all results. One that is damaged stops nothing but itself. */
export async function readKeptResults(work: string): Promise<KeptResults> {
  const [results, faults]: [KeptResult[], NightlyError[]] = [[], []];
  for (const [index, job] of (await jobsWithResult(work)).entries()) {
    if (index % AT_A_TIME === 0) await nextTurn();
    const found = resultOrFault(work, job);
    if (found instanceof NightlyError) faults.push(found);
    else if (found) results.push(found);
  }
  const byTime = ({ result: one }: KeptResult, { result: other }: KeptResult): number =>
    one.finishedAt - other.finishedAt || (one.job < other.job ? -1 : 1);
  return { results: results.sort(byTime), faults };
}
