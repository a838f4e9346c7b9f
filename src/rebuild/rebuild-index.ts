import { statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readCacheRecord } from '../base/cache-record.ts';
import { writeFileAtomic } from '../base/files.ts';
import { rebuildFolder } from './rebuild-folder.ts';

/*
 * What lists need of results and disputes whose signatures were verified, so that a list of thousands does not verify them all again
 * (`work/rebuild/listed.json`). It is a copy, never believed over a record: each entry has size, times and inode of the files that it was
 * made of, and counts for nothing once one of them differs. Removing the file costs one read of all records. Nothing that decides goes
 * by it: what is taken, published or promoted is judged by the records themselves.
 */

const marks = z.string();

/** Raised whenever the same records would give other lines. */
const VERSION = 1;

const resultFacts = z.object({
  job: z.string(),
  builder: z.string(),
  operator: z.string(),
  outcome: z.enum(['built', 'failed']),
  scratch: z.boolean(),
  inputs: z.string(),
  fingerprint: z.string(),
  isDuplicate: z.boolean(),
  isWanted: z.boolean().optional(),
});

const side = z.object({ builder: z.string(), operator: z.string() });

const disputeFacts = z.object({
  id: z.string(),
  kind: z.enum(['dispute', 'task', 'explained']),
  /** Seconds since 1970. */
  at: z.number(),
  inputs: z.string(),
  /** Source package, and the packages that differ. */
  source: z.string(),
  packages: z.array(z.string()),
  one: side,
  other: side,
  /** The verdict that counts. */
  verdict: z
    .object({
      verdict: z.enum(['tampered', 'not-reproducible', 'environment']),
      builders: z.array(z.string()),
      fingerprints: z.array(z.string()),
      jobs: z.array(z.string()),
      by: z.string(),
      note: z.string(),
    })
    .optional(),
});

const result = z.tuple([marks, resultFacts]);
const dispute = z.tuple([marks, disputeFacts]);
const index = z.object({
  version: z.literal(VERSION),
  /** SHA-256 of the key that statements and verdicts are signed with. */
  key: z.string(),
  results: z.array(result),
  disputes: z.array(dispute),
});

/** What lists need of a dispute. */
export type IndexedDispute = z.output<typeof disputeFacts>;
/** What the index has of a result or a dispute, behind the marks of its files. */
export type Indexed<Facts> = readonly [marks: string, facts: Facts];

/** The index, by job and by id of dispute. */
export interface RebuildIndex {
  readonly results: ReadonlyMap<string, Indexed<z.output<typeof resultFacts>>>;
  readonly disputes: ReadonlyMap<string, Indexed<IndexedDispute>>;
}

const indexPath = (work: string): string => join(rebuildFolder(work), 'listed.json');

/** Reads the index. One of another key or version is empty. @param key SHA-256 of the key that statements and verdicts are signed with */
export async function readIndex(work: string, key: string): Promise<RebuildIndex> {
  const found = await ifPossible(readCacheRecord(indexPath(work), index));
  const { results, disputes } = found?.key === key ? found : { results: [], disputes: [] };
  return {
    results: new Map(results.map((one) => [one[1].job, one])),
    disputes: new Map(disputes.map((one) => [one[1].id, one])),
  };
}

/** Writes the index. */
export async function writeIndex(work: string, key: string, { results, disputes }: RebuildIndex): Promise<void> {
  const value = { version: VERSION, key, results: [...results.values()], disputes: [...disputes.values()] };
  await ifPossible(writeFileAtomic(indexPath(work), JSON.stringify(value)));
}

/** Whatever the system says against the index, a full disk or no permission, is no reason not to list. */
async function ifPossible<Value>(work: Promise<Value>): Promise<Value | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) return undefined;
    throw error;
  }
}

/**
 * Returns what tells whether files of a folder are the ones that were read. The system sets the second time itself, and nobody can set it
 * back.
 */
export function marksOf(folder: string, names: readonly string[]): string {
  let marks = '';
  for (const name of names) {
    const found = statSync(`${folder}/${name}`, { throwIfNoEntry: false });
    marks += found === undefined ? '-,' : `${found.size} ${found.mtimeMs} ${found.ctimeMs} ${found.ino},`;
  }
  return marks;
}
