import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { ifThere, readTextIfExists, sha256, writeFileAtomic } from '../base/files.ts';
import { FORMATS } from '../base/format-versions.ts';
import { type RecordOf, readRecord, recordFormat, recordText } from '../base/read-record.ts';
import { isUnreadable, unreadable } from '../base/unreadable.ts';
import { sha256Hex } from '../build/record-values.ts';
import { inputsOf } from './duplicates.ts';
import { CLASSES } from './package-classes.ts';
import { rebuildFolder } from './rebuild-folder.ts';
import { jobId, type RebuildResult } from './result.ts';

const id = z.string().regex(/^[0-9a-f]{12}$/, 'must be 12 hexadecimal digits');

const side = z.looseObject({
  job: jobId,
  builder: z.string(),
  operator: z.string(),
  outcome: z.enum(['built', 'failed']),
  /** What this side made: `fingerprintOf`. */
  fingerprint: sha256Hex,
});

/** Two results that should be one (`work/rebuild/disputes/ID/dispute.json`). It is written once; what people find is beside it. */
export const DISPUTE = recordFormat({
  version: FORMATS.dispute,
  schema: z.looseObject({
    'dispute-version': z.literal(FORMATS.dispute.newest),
    id,
    /**
     * `dispute`: somebody may have tampered. `task`: nobody knows yet whether the package can be reproduced. `explained`: only what is
     * known to differ does.
     */
    kind: z.enum(['dispute', 'task', 'explained']),
    /** Class of the package then. */
    class: z.enum(CLASSES),
    /** Seconds since 1970. */
    at: z.int().min(0),
    source: z.looseObject({ nevra: z.string(), sha256: sha256Hex }),
    root: sha256Hex,
    arch: z.string(),
    one: side,
    other: side,
    packages: z.array(
      z.looseObject({
        package: z.string(),
        /** Digests of the immutable header; not there where a side has no such package. */
        one: sha256Hex.exactOptional(),
        other: sha256Hex.exactOptional(),
        tags: z
          .array(
            z.looseObject({
              tag: z.string(),
              one: z.array(z.string()),
              other: z.array(z.string()),
              count: z.int(),
              files: z.array(z.string()).exactOptional(),
            }),
          )
          .exactOptional(),
      }),
    ),
    /** Files of evidence, relative to the folder of the dispute. */
    evidence: z.array(z.string()),
  }),
  hint: 'Put it back from a backup. Until then nothing of that package is published.',
});

export type Dispute = RecordOf<typeof DISPUTE>;

/**
 * Returns what a result made, in one digest: its packages by their headers. Results of the same inputs that have the same are the same,
 * whoever made them; a failed build is the same as any other failed one.
 */
export function fingerprintOf({ outcome, packages }: Pick<RebuildResult, 'outcome' | 'packages'>): string {
  const lines = packages.map(({ nevra, header }) => `${nevra} ${header}`).sort();
  return sha256([outcome, ...lines].join('\n'));
}

/** Returns the id of the dispute between two results of the same inputs: the same whichever comes first, and after a kill. */
export const disputeId = (one: RebuildResult, other: RebuildResult): string =>
  disputeIdOf({ inputs: inputsOf(one), fingerprint: fingerprintOf(one) }, { fingerprint: fingerprintOf(other) });

/** Returns `disputeId` of two results of which only this is at hand. */
export function disputeIdOf(
  { inputs, fingerprint }: { readonly inputs: string; readonly fingerprint: string },
  other: { readonly fingerprint: string },
): string {
  const prints = [fingerprint, other.fingerprint].sort();
  return sha256([inputs, ...prints].join('\n')).slice(0, 12);
}

const disputesFolder = (work: string): string => join(rebuildFolder(work), 'disputes');

/** Returns the folder of a dispute: its record, the evidence, the verdicts. */
export const disputeFolder = (work: string, dispute: string): string => join(disputesFolder(work), dispute);

/** The record, in the folder of a dispute. */
export const DISPUTE_FILE = 'dispute.json';

const recordPath = (work: string, dispute: string): string => join(disputeFolder(work, dispute), DISPUTE_FILE);

/** Returns a dispute; undefined when there is none. @throws NightlyError `record` when it is damaged. */
export async function readDispute(work: string, dispute: string): Promise<Dispute | undefined> {
  const path = recordPath(work, dispute);
  const text = await readTextIfExists(path);
  return text === undefined ? undefined : readRecord(text, DISPUTE, path);
}

/** Writes a dispute, when all of its evidence is there. */
export async function writeDispute(work: string, dispute: Dispute): Promise<void> {
  await writeFileAtomic(recordPath(work, dispute.id), recordText(dispute, DISPUTE));
}

/** Returns the ids of disputes that have a folder, in no order. */
export async function disputeIds(work: string): Promise<string[]> {
  const names = (await ifThere(readdir(disputesFolder(work)))) ?? [];
  return names.filter((name) => id.safeParse(name).success);
}

/** Returns a dispute, or what is wrong with it; undefined where there is none of that id. */
export async function disputeOrFault(work: string, dispute: string): Promise<Dispute | NightlyError | undefined> {
  try {
    const found = await readDispute(work, dispute);
    return found?.id === dispute ? found : undefined;
  } catch (error) {
    if (error instanceof NightlyError) return error;
    if (isUnreadable(error)) return unreadable(recordPath(work, dispute), error);
    throw error;
  }
}

/** Orders disputes by when they were opened, the oldest first. */
export const byAge = (one: Pick<Dispute, 'at' | 'id'>, other: Pick<Dispute, 'at' | 'id'>): number =>
  one.at - other.at || (one.id < other.id ? -1 : 1);

/** Reads all disputes, oldest first, and what is wrong with those that cannot be read (I15). */
export async function readDisputes(
  work: string,
): Promise<{ readonly disputes: readonly Dispute[]; readonly faults: readonly NightlyError[] }> {
  const [disputes, faults]: [Dispute[], NightlyError[]] = [[], []];
  for (const name of await disputeIds(work)) {
    const found = await disputeOrFault(work, name);
    if (found instanceof NightlyError) faults.push(found);
    else if (found) disputes.push(found);
  }
  return { disputes: disputes.sort(byAge), faults };
}
