import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';
import { bytesIfThere, writeFileAtomic } from '../../base/files.ts';
import { FORMATS } from '../../base/format-versions.ts';
import { damaged, readRecord, recordFormat, recordText } from '../../base/read-record.ts';
import type { TreeHead } from '../../log/consistency.ts';
import { fromBase64, hashFromBase64 } from '../../log/strict-text.ts';

/**
 * What this machine remembers of the log: a log must never sign two trees of one size, nor one that does not continue what it
 * signed before, whatever is lost, killed or put back from a backup. So what is about to be signed is on disk before it is.
 */
export interface LogState {
  readonly origin: string;
  /** The last tree that this machine signed or found at home. */
  readonly signed: TreeHead;
  /** An append that may not have arrived: the tree it began with, and what it adds. */
  readonly pending?: PendingAppend;
}

export interface PendingAppend {
  readonly from: TreeHead;
  readonly entries: readonly Buffer[];
}

const hash = z.string().refine((text) => hashFromBase64(text) !== undefined, 'must be the base64 of 32 bytes');
const head = z.strictObject({ size: z.int().min(0), root: hash });

const HINT =
  'Bring it back from a backup. Without it nobody here knows what was signed: remove it only when "atomic-nightly log check" finds the log whole, and as new as its copies.';

/** The state as it is stored (`work/log/state.json`). */
export const LOG_STATE = recordFormat({
  version: FORMATS['release log'],
  schema: z.strictObject({
    version: z.literal(FORMATS['release log'].newest),
    origin: z.string(),
    signed: head,
    pending: z
      .strictObject({
        from: head,
        entries: z.array(z.string().refine((text) => fromBase64(text) !== undefined, 'must be base64')).min(1),
      })
      .exactOptional(),
  }),
  hint: HINT,
});

/** Returns where the state of the log is in a work folder. */
export function logStatePath(work: string): string {
  return join(work, 'log', 'state.json');
}

/**
 * Reads the state; undefined when nothing was signed here yet.
 * @throws NightlyError `record` when it is damaged; `config` when it is that of another log.
 */
export async function readLogState(path: string, origin: string): Promise<LogState | undefined> {
  const content = await bytesIfThere(path);
  if (content === undefined) return undefined;
  const stored = readRecord(content, LOG_STATE, path);
  if (stored.origin !== origin) {
    throw new NightlyError(
      'config',
      `${path} is about the log ${stored.origin}, and the configuration names ${origin}.`,
      {
        hint: `A log keeps its name when its address changes: write "origin: ${stored.origin}" under "log". To begin a new log, move the file away.`,
      },
    );
  }
  const { pending } = stored;
  const state = {
    origin,
    signed: headOf(stored.signed),
    ...(pending && {
      pending: { from: headOf(pending.from), entries: pending.entries.map((one) => Buffer.from(one, 'base64')) },
    }),
  };
  const end = pending && pending.from.size + pending.entries.length;
  if (end === undefined || end === state.signed.size) return state;
  throw damaged(path, `what it adds ends at ${end}, and what was signed has ${state.signed.size} entries`, HINT);
}

/**
 * Notes that an append has arrived. That may be lost in a power cut: then the next append finds so.
 */
export async function noteArrived(path: string, state: Pick<LogState, 'origin' | 'signed'>): Promise<void> {
  const aside = `${path}.${process.pid}.tmp`;
  await writeFile(aside, textOf(state));
  await rename(aside, path);
}

/** Writes the state; it is on disk when this returns. */
export async function writeLogState(path: string, state: LogState): Promise<void> {
  await writeFileAtomic(path, textOf(state));
}

function textOf({ origin, signed, pending }: LogState): string {
  const stored = {
    version: 1 as const,
    origin,
    signed: storedHead(signed),
    ...(pending && {
      pending: { from: storedHead(pending.from), entries: pending.entries.map((one) => one.toString('base64')) },
    }),
  };
  return recordText(stored, LOG_STATE);
}

const headOf = ({ size, root }: { size: number; root: string }): TreeHead => ({
  size,
  root: Buffer.from(root, 'base64'),
});

const storedHead = ({ size, root }: TreeHead) => ({ size, root: root.toString('base64') });
