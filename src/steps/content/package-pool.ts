import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection } from '../../base/connection.ts';
import { NightlyError } from '../../base/errors.ts';
import { filesBelow, ifThere, makeFolder } from '../../base/files.ts';
import { inParallel } from '../../base/parallel.ts';
import type { Task } from '../../base/task.ts';
import { fetchFile } from '../../rpm/download.ts';
import { padded, readRpmStart } from '../../rpm/signature/rpm-signature.ts';

/**
 * Packages in the work folder, each named by what is in it: `PAYLOADHASH-SHA256.rpm`. A name is there when the file is whole,
 * so that a killed run leaves nothing that counts (C7), and no package is read again to know its digest.
 */
export interface PooledPackage {
  /** Absolute. */
  readonly file: string;
  readonly sha256: string;
}

/** Returns the packages in a folder of the pool, by the MD5 of header and payload that koji knows them by. */
export async function readPool(folder: string): Promise<Map<string, PooledPackage>> {
  const names = (await ifThere(readdir(folder))) ?? [];
  return new Map(
    names.flatMap((name): [string, PooledPackage][] => {
      const [, payloadhash, sha256] = /^([0-9a-f]{32})-([0-9a-f]{64})\.rpm$/.exec(name) ?? [];
      return payloadhash && sha256 ? [[payloadhash, { file: join(folder, name), sha256 }]] : [];
    }),
  );
}

/**
 * Removes packages from all folders of the pool that no tag has and no repository links to any more, for some time. The time of a
 * file's last change of links tells since when; a package that is wanted again later is fetched again.
 * @param needed SHA-256 of the packages of all tags
 * @param until moments before this one are long enough ago, ms since the epoch
 * @returns how many were removed
 */
export async function prunePool(pool: string, needed: ReadonlySet<string>, until: number): Promise<number> {
  let removed = 0;
  for (const name of await filesBelow(pool)) {
    const [, sha256] = /\/[0-9a-f]{32}-([0-9a-f]{64})\.rpm$/.exec(name) ?? [];
    const isLeftover = name.endsWith('.tmp');
    if (!isLeftover && (sha256 === undefined || needed.has(sha256))) continue;
    const path = join(pool, name);
    const found = await ifThere(stat(path));
    if (!found || found.nlink > 1 || found.ctimeMs >= until) continue;
    await rm(path, { force: true });
    removed += 1;
  }
  return removed;
}

/** A package as koji has it. */
export interface WantedPackage {
  /** What messages call it. */
  readonly name: string;
  readonly url: string;
  readonly payloadhash: string;
  /** Seconds since the epoch; the time of the file, which metadata has. */
  readonly buildtime: number;
}

/** Downloads under way at the same time. */
const PARALLEL = 8;

/**
 * Fetches packages into a folder of the pool; those that are there stay.
 * @returns all of them, by payload hash
 * @throws NightlyError `package-missing` naming each that koji does not have, or has with other bytes than it says; the others
 *   are in the pool then.
 */
export async function fetchPackages(
  wanted: readonly WantedPackage[],
  folder: string,
  connection: Connection,
  task: Task,
): Promise<Map<string, PooledPackage>> {
  await makeFolder(folder);
  const pool = await readPool(folder);
  const due = wanted.filter(({ payloadhash }) => !pool.has(payloadhash));
  const faults: string[] = [];
  let done = 0;
  await inParallel(due, { atATime: PARALLEL, signal: task.signal }, async (one, signal) => {
    try {
      pool.set(one.payloadhash, await fetchPackage(one, folder, connection, { ...task, signal }));
    } catch (error) {
      signal.throwIfAborted();
      if (isDiskFull(error)) throw error;
      faults.push(`  ${one.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
    done += 1;
    task.progress(done, due.length, 'packages');
  });
  if (faults.length === 0) return pool;
  throw new NightlyError(
    'package-missing',
    `koji does not give ${faults.length} packages as it should:\n${faults.sort().join('\n')}`,
    {
      hint: 'Nothing of this tag was changed. Look the files up in koji; the tag is published when they are there.',
    },
  );
}

const isDiskFull = (error: unknown): boolean => error instanceof Error && /ENOSPC|EDQUOT/.test(error.message);

async function fetchPackage(
  { url, payloadhash, buildtime }: WantedPackage,
  folder: string,
  connection: Connection,
  task: Task,
): Promise<PooledPackage> {
  const aside = join(folder, `${payloadhash}.${randomUUID()}.tmp`);
  try {
    await fetchFile(url, aside, task, connection);
    return await intoPool(aside, folder, { payloadhash, buildtime });
  } finally {
    await rm(aside, { force: true });
  }
}

/** Moves a package into a folder of the pool. @throws NightlyError `verify` when it is not the package it should be. */
export async function intoPool(
  path: string,
  folder: string,
  { payloadhash, buildtime }: Pick<WantedPackage, 'payloadhash' | 'buildtime'>,
): Promise<PooledPackage> {
  const { md5, sha256 } = await packageDigests(path);
  if (md5 !== payloadhash) {
    throw new NightlyError('verify', `its header and payload have the MD5 ${md5}, koji says ${payloadhash}`);
  }
  await utimes(path, buildtime, buildtime);
  await makeFolder(folder);
  const file = join(folder, `${payloadhash}-${sha256}.rpm`);
  await rename(path, file);
  return { file, sha256 };
}

/** Reads a package once. @throws NightlyError `verify` for a file that is no RPM. */
async function packageDigests(path: string): Promise<{ readonly md5: string; readonly sha256: string }> {
  const { lead, signatureSize } = await readRpmStart(path);
  const header = lead.length + padded(signatureSize);
  const [md5, sha256] = [createHash('md5'), createHash('sha256')];
  let at = 0;
  for await (const chunk of createReadStream(path)) {
    sha256.update(chunk);
    md5.update(chunk.subarray(Math.max(0, Math.min(header - at, chunk.length))));
    at += chunk.length;
  }
  if (at !== (await stat(path)).size) throw new NightlyError('verify', 'it was changed while it was read');
  return { md5: md5.digest('hex'), sha256: sha256.digest('hex') };
}
