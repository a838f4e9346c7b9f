import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { asNightlyError } from '../../base/as-nightly-error.ts';
import type { NightlyError } from '../../base/errors.ts';
import { ifThere, makeFolder, readRegular, writeFileAtomic } from '../../base/files.ts';
import { type RecordFormat, readRecordIfGood, recordFormat } from '../../base/read-record.ts';
import { redact } from '../../base/redact.ts';
import { isUnreadable } from '../../base/unreadable.ts';
import { instant } from '../../build/record-values.ts';
import type { BuildEvent } from './event.ts';

/**
 * Events that wait to be sent: `work/notify/SINK/TIME-NUMBER-ID.json`, a file each, in the order of their names. It is
 * written before anything is sent and removed when the other side has it, so that a run that is killed or meets a server
 * that is down leaves it to the next one. Only a holder of the run lock writes here.
 *
 * What cannot be written waits in memory: that a disk is full is itself what somebody has to hear of.
 */
export interface Outbox {
  add(event: BuildEvent): Promise<void>;
  /** Oldest first. Those that are too many are dropped. */
  waiting(): Promise<readonly Waiting[]>;
}

export interface Waiting {
  readonly event: BuildEvent;
  /** Why it does not wait for the next run, too: what went wrong when it was to be written. */
  readonly unkept?: NightlyError;
  /** It has been sent, or never will be. */
  remove(): Promise<void>;
}

/** So many events are kept for a sink, the newest. */
const MOST_KEPT = 100;
/** And for so long: what happened before that is news to nobody. */
const LONGEST_KEPT_MS = 7 * 86_400_000;

/** Returns the outbox of one sink. */
export function openOutbox(workDir: string, sink: string): Outbox {
  const folder = join(outboxFolder(workDir), sink);
  const unkept = new Set<{ readonly event: BuildEvent; readonly unkept: NightlyError }>();
  let count = 0;
  return {
    async add(event) {
      count += 1;
      const name = `${String(Date.parse(event.at)).padStart(15, '0')}-${String(count).padStart(3, '0')}-${event.id}.json`;
      const text = redact(JSON.stringify(event));
      try {
        await makeFolder(folder);
        await writeFileAtomic(join(folder, name), `${text}\n`);
      } catch (error) {
        const same = readRecordIfGood(Buffer.from(text), EVENT);
        if (same) unkept.add({ event: same, unkept: asNightlyError(error, [folder]) });
      }
    },
    async waiting() {
      const names = ((await ifThere(readdir(folder))) ?? []).filter((name) => name.endsWith('.json')).sort();
      const kept = names.slice(-MOST_KEPT);
      for (const name of names)
        if (!kept.includes(name)) await rm(join(folder, name), { recursive: true, force: true });
      const found: Waiting[] = [];
      for (const name of kept) {
        const path = join(folder, name);
        const event = await readEvent(path);
        // Nobody can be told what it said; those behind it do not wait for it (I15).
        if (event === undefined) await rm(path, { recursive: true, force: true });
        else found.push({ event, remove: () => rm(path, { force: true }) });
      }
      // Written down or not, what happened last is told last.
      return [...found, ...[...unkept].map((one) => ({ ...one, remove: async () => void unkept.delete(one) }))];
    },
  };
}

const text = z.string();

/** What every sink reads of an event; the rest depends on its type, and sinks look for what they use. */
const EVENT: RecordFormat<BuildEvent> = recordFormat({
  schema: z.custom<BuildEvent>(
    (value) =>
      z
        .looseObject({
          id: text.regex(/^[\w-]+$/),
          type: text,
          at: instant,
          product: text,
          stream: text,
          build: text,
          arch: text,
          ref: text,
          state: text,
          failures: z.array(z.looseObject({ step: text, code: text, message: text, hint: text.exactOptional() })),
        })
        .safeParse(value).success,
    'must be an event',
  ),
  hint: 'It is dropped.',
});

async function readEvent(path: string): Promise<BuildEvent | undefined> {
  try {
    return readRecordIfGood(await readRegular(path), EVENT);
  } catch (error) {
    if (isUnreadable(error)) return undefined;
    throw error;
  }
}

/**
 * Drops what is too old in every outbox, also those of sinks that are not configured any more.
 * @param clock gives the seconds since the epoch, or throws where the clock is in doubt: then nothing goes (I8). It is asked only where
 *   something would
 */
export async function forgetOld(workDir: string, clock: () => Promise<number>): Promise<void> {
  const folders = (await ifThere(readdir(outboxFolder(workDir), { withFileTypes: true }))) ?? [];
  for (const { name: sink } of folders.filter((entry) => entry.isDirectory())) {
    const folder = join(outboxFolder(workDir), sink);
    const old = (now: number) => (name: string) => Number.parseInt(name, 10) < now - LONGEST_KEPT_MS;
    const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).filter(old(Date.now()));
    if (names.length === 0) continue;
    for (const name of names.filter(old((await clock()) * 1000)))
      await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Folder of all outboxes. */
export const outboxFolder = (workDir: string): string => join(workDir, 'notify');
