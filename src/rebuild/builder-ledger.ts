import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ifThere, readTextIfExists, writeFileAtomic } from '../base/files.ts';
import { FORMATS } from '../base/format-versions.ts';
import { type RecordOf, readRecord, recordFormat, recordText } from '../base/read-record.ts';
import { BUILDER_LEVELS, type BuilderLevel } from './builder-levels.ts';
import { rebuildFolder } from './rebuild-folder.ts';

const who = z.string().min(1);

/** The history of a builder (`work/rebuild/builders/NAME.json`). Lines are added, none is ever changed or taken away. */
export const LEDGER = recordFormat({
  version: FORMATS.builder,
  schema: z.looseObject({
    'ledger-version': z.literal(FORMATS.builder.newest),
    name: z.string().min(1),
    /** Oldest first; the last one says the level. */
    history: z.array(
      z.looseObject({
        /** Seconds since 1970. */
        at: z.int().min(0),
        level: z.enum(BUILDER_LEVELS),
        by: who,
        reason: z.string().min(1),
        /** The dispute whose verdict it follows from. */
        dispute: z.string().exactOptional(),
      }),
    ),
  }),
  hint: 'Put it back from a backup: until then nobody knows what the builder may do, and it gets no work.',
});

export type Ledger = RecordOf<typeof LEDGER>;
export type LedgerLine = Ledger['history'][number];

/** What the last look at a builder found (`work/rebuild/builders/NAME.check.json`). */
export const CHECK = recordFormat({
  version: FORMATS['check of a builder'],
  schema: z.looseObject({
    'check-version': z.literal(FORMATS['check of a builder'].newest),
    at: z.int().min(0),
    ok: z.boolean(),
    /** SHA-256 of the verdict. */
    probe: z.string(),
    /** What was found, a line each. */
    faults: z.array(z.string()),
  }),
  hint: 'Check the builder again: it is written anew.',
});

export interface BuilderCheck {
  /** Seconds since 1970. */
  readonly at: number;
  readonly ok: boolean;
  readonly probe: string;
  readonly faults: readonly string[];
}

const buildersFolder = (work: string): string => join(rebuildFolder(work), 'builders');
const ledgerPath = (work: string, name: string): string => join(buildersFolder(work), `${name}.json`);
const checkPath = (work: string, name: string): string => join(buildersFolder(work), `${name}.check.json`);

/**
 * Returns the history of a builder; empty for one that nobody has said anything of.
 * @param name as in the configuration
 * @throws NightlyError `record` when it is damaged.
 */
export async function readLedger(work: string, name: string): Promise<Ledger> {
  const path = ledgerPath(work, name);
  const text = await readTextIfExists(path);
  return text === undefined ? { ledgerVersion: 1, name, history: [] } : readRecord(text, LEDGER, path);
}

/** Returns the level that a history ends with, or ended with at a moment in seconds since 1970. */
export function levelIn({ history }: Pick<Ledger, 'history'>, at = Number.POSITIVE_INFINITY): BuilderLevel {
  return history.findLast((line) => line.at <= at)?.level ?? 'new';
}

/** Returns the level of a builder: `new` until somebody says otherwise. @throws NightlyError `record` when nobody knows. */
export async function levelOf(work: string, name: string): Promise<BuilderLevel> {
  return levelIn(await readLedger(work, name));
}

/** Adds a line to a builder's history. Only a holder of the lock of `rebuild-lock.ts` may. */
export async function addToLedger(work: string, name: string, line: LedgerLine): Promise<void> {
  const { history } = await readLedger(work, name);
  const text = recordText({ ledgerVersion: 1, name, history: [...history, line] }, LEDGER);
  await writeFileAtomic(ledgerPath(work, name), text);
}

/** Returns the names of builders that have a history, sorted. */
export async function recordedBuilders(work: string): Promise<string[]> {
  const names = (await ifThere(readdir(buildersFolder(work)))) ?? [];
  return names.flatMap((name) => /^([a-z0-9-]+)\.json$/.exec(name)?.[1] ?? []).sort();
}

/** Keeps what a look at a builder found, in place of the look before. */
export async function recordCheck(work: string, name: string, check: BuilderCheck): Promise<void> {
  await writeFileAtomic(
    checkPath(work, name),
    recordText({ checkVersion: 1, ...check, faults: [...check.faults] }, CHECK),
  );
}

/** Returns what the last look at a builder found; undefined when there was none. @throws NightlyError `record` */
export async function lastCheck(work: string, name: string): Promise<BuilderCheck | undefined> {
  const path = checkPath(work, name);
  const text = await readTextIfExists(path);
  return text === undefined ? undefined : readRecord(text, CHECK, path);
}
