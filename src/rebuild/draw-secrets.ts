import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { ifThere, makeFolder, readTextIfExists, sha256, syncFolder, writeFileAtomic } from '../base/files.ts';
import { FORMATS } from '../base/format-versions.ts';
import { damaged, type RecordOf, readRecord, recordFormat, recordText } from '../base/read-record.ts';
import { readSecretText } from '../base/secret-file.ts';
import { dayAt } from './draws.ts';
import { rebuildFolder } from './rebuild-folder.ts';

const hex = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits');

/** What everybody may know of a day's draws (`work/rebuild/draws/DAY.json`). */
export const DRAW_DAY = recordFormat({
  version: FORMATS['day of draws'],
  schema: z.looseObject({
    'day-version': z.literal(FORMATS['day of draws'].newest),
    day: z.iso.date(),
    /** SHA-256 of the secret's 32 bytes, in hex. */
    commitment: hex,
    /** When it was made, in seconds since 1970: before the day begins, but for a day on which nobody was there before. */
    'made-at': z.int().min(0),
    /** The secret in hex, once the day is over. */
    secret: hex.exactOptional(),
  }),
  hint: 'Put it back from a backup: without it the draws of that day cannot be verified.',
});

export type DrawDay = RecordOf<typeof DRAW_DAY>;

const DAY_SECONDS = 86_400;
/** A day is over for good, and its secret no secret any more, so long after its end: results of its last moment are drawn by then. */
const GRACE_SECONDS = 3600;

const drawsFolder = (work: string): string => join(rebuildFolder(work), 'draws');
const dayPath = (work: string, day: string): string => join(drawsFolder(work), `${day}.json`);
const secretPath = (work: string, day: string): string => join(drawsFolder(work), `${day}.secret`);

const PURPOSE = {
  what: 'secret of a day of draws',
  code: 'record',
  missing: 'Put it back from a backup; without it nothing of that day can be decided or verified.',
  exposed: 'builders may know which of their results are built again: remove it and the record of the day beside it',
} as const;

/**
 * Makes the secrets of today and of tomorrow, where there are none yet, with the record of what may be known of each, and reveals
 * those of days that are over. The secret of a day is so fixed, and its commitment on record, before the day begins. Only a holder of
 * the lock of `rebuild-lock.ts` may.
 * @param now seconds since 1970
 * @throws NightlyError `record`
 */
export async function keepDrawSecrets(work: string, now: number): Promise<void> {
  for (const day of [dayAt(now), dayAt(now + DAY_SECONDS)]) await makeDay(work, day, now);
  const days = await drawDays(work);
  for (const day of days) {
    if (day.secret !== undefined || endOf(day.day) + GRACE_SECONDS > now) continue;
    await writeDay(work, { ...day, secret: (await secretOf(work, day)).toString('hex') });
  }
}

/** Returns when a day ends, in seconds since 1970. */
const endOf = (day: string): number => Date.parse(`${day}T00:00:00Z`) / 1000 + DAY_SECONDS;

async function makeDay(work: string, day: string, now: number): Promise<void> {
  if ((await readTextIfExists(dayPath(work, day))) !== undefined) return;
  // A kill may have come between the two files: the secret that is there is the one.
  if (!existsSync(secretPath(work, day))) await writeSecret(secretPath(work, day), randomBytes(32).toString('hex'));
  const secret = await readSecret(work, day);
  await writeDay(work, { dayVersion: 1, day, commitment: sha256(secret), madeAt: now });
}

async function writeSecret(path: string, text: string): Promise<void> {
  await makeFolder(dirname(path));
  const aside = `${path}.${process.pid}.tmp`;
  const file = await open(aside, 'w', 0o600);
  try {
    await file.writeFile(`${text}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
  await syncFolder(dirname(path));
}

async function writeDay(work: string, day: DrawDay): Promise<void> {
  await writeFileAtomic(dayPath(work, day.day), recordText(day, DRAW_DAY));
}

async function readSecret(work: string, day: string): Promise<Buffer> {
  const path = secretPath(work, day);
  const text = await readSecretText(path, PURPOSE);
  if (!hex.safeParse(text).success) throw damaged(path, 'it is not 64 hexadecimal digits', PURPOSE.missing);
  return Buffer.from(text, 'hex');
}

/**
 * Returns the secret of a day, which nobody else may have before the day is over.
 * @throws NightlyError `record` when it is not the one whose digest is on record.
 */
export async function secretOf(work: string, { day, commitment }: DrawDay): Promise<Buffer> {
  const secret = await readSecret(work, day);
  if (sha256(secret) === commitment) return secret;
  throw damaged(secretPath(work, day), 'it is not the secret whose SHA-256 was recorded for that day', PURPOSE.missing);
}

/** Returns what may be known of a day. @throws NightlyError `not-found`, `record` */
export async function readDrawDay(work: string, day: string): Promise<DrawDay> {
  const path = dayPath(work, day);
  const text = await readTextIfExists(path);
  if (text !== undefined) return readRecord(text, DRAW_DAY, path);
  throw new NightlyError('not-found', `Nothing was drawn on ${day}: there is no record of its secret.`, {
    hint: '"builders draws" lists the days that there are.',
  });
}

/** Returns what may be known of each day, oldest first. @throws NightlyError `record` */
export async function drawDays(work: string): Promise<DrawDay[]> {
  const names = ((await ifThere(readdir(drawsFolder(work)))) ?? []).filter((name) =>
    /^\d{4}-\d\d-\d\d\.json$/.test(name),
  );
  return Promise.all(names.sort().map((name) => readDrawDay(work, name.slice(0, -'.json'.length))));
}
