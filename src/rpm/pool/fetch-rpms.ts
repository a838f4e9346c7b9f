import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { inBatches } from '../../base/batches.ts';
import type { Connection } from '../../base/connection.ts';
import { NightlyError } from '../../base/errors.ts';
import { ifThere, makeFolder } from '../../base/files.ts';
import { inParallel } from '../../base/parallel.ts';
import { redact } from '../../base/redact.ts';
import type { Task } from '../../base/task.ts';
import { renameTogether } from '../../programs/sync.ts';
import { fetchFile } from '../download.ts';
import type { FileStamp } from '../repository/repository-memory.ts';
import { setBuildTime } from '../signature/build-time.ts';
import { padded, readRpmStart } from '../signature/rpm-signature.ts';
import { poolPath, readPoolIndex, writePoolIndex } from './pool-index.ts';

/** An RPM as koji has it on record. */
export interface WantedRpm {
  /** `NAME-VERSION-RELEASE.ARCH`, for messages. */
  readonly name: string;
  /** Address of the file: `http:`, `https:`, or `file:` for a mounted folder. */
  readonly url: string;
  /** MD5 over header and payload (SIGMD5), 32 lower-case hex digits: the same for every signed copy. */
  readonly payloadHash: string;
  /** Which copy it is: `unsigned`, or a key id. */
  readonly copy: string;
  /** Size in bytes, where that is on record for this copy. */
  readonly bytes?: number | undefined;
}

/** A file of the pool. */
export interface PooledRpm {
  /** Absolute. */
  readonly file: string;
  readonly sha256: string;
}

export interface FetchedRpms {
  /** Files, in the order of what was wanted; undefined for what is missing. */
  readonly files: readonly (PooledRpm | undefined)[];
  readonly missing: readonly MissingFile[];
}

export interface MissingFile {
  readonly name: string;
  /** The reason, as the end of a sentence: `HTTP 404 Not Found`. */
  readonly why: string;
}

/** Downloads at the same time. */
const PARALLEL = 6;
/** So many files get their names, durably, in one go. */
const TOGETHER = 256;

/**
 * Brings RPMs into a pool, a folder of files named by what is in them. Size and payload hash must be those on record. What is in the pool
 * is not fetched again, also after a kill; a file whose time, size or inode changed since is read once more. One that is
 * missing or damaged at its source stops no other.
 * @param pool made when missing
 * @throws NightlyError `disk-full`, `interrupted`.
 */
export async function fetchRpms(
  wanted: readonly WantedRpm[],
  pool: string,
  task: Task,
  connection: Connection = {},
): Promise<FetchedRpms> {
  const index = await readPoolIndex(pool);
  const stamps = new Map(index.files);
  const files = new Map<string, PooledRpm>();
  const missing = new Map<string, string>();
  let done = 0;
  for (const batch of inBatches(new Map(wanted.map((one) => [poolPath(pool, one), one])), TOGETHER)) {
    const fetched: { readonly aside: string; readonly path: string }[] = [];
    await inParallel(batch, { atATime: PARALLEL, signal: task.signal }, async ([path, one]) => {
      const there = await known(path, one, index.files.get(path));
      const stamp = there ?? (await fetchOne(path, one, { connection, missing }, task));
      if (stamp && !there) fetched.push({ aside: asideOf(path), path });
      if (stamp) {
        stamps.set(path, stamp);
        files.set(path, { file: path, sha256: stamp[0] });
      }
      done += 1;
      task.progress(done, wanted.length, 'packages');
    });
    await renameTogether(fetched, task);
    await writePoolIndex(pool, { ...index, files: stamps });
  }
  const named = wanted.flatMap((one) => {
    const why = missing.get(poolPath(pool, one));
    return why === undefined ? [] : [{ name: one.name, why }];
  });
  return { files: wanted.map((one) => files.get(poolPath(pool, one))), missing: named };
}

const asideOf = (path: string): string => `${path}.${process.pid}.part`;

/** What a file of the pool was found to be, if it still is; what is damaged there is fetched again. */
async function known(path: string, one: WantedRpm, before: FileStamp | undefined): Promise<FileStamp | undefined> {
  const found = await ifThere(stat(path));
  if (!found) return undefined;
  const { size, mtimeMs, ino } = found;
  if (before && before[1] === size && before[2] === mtimeMs && before[3] === ino) return before;
  const read = await readPooled(path, one);
  return 'fault' in read ? undefined : read.stamp;
}

async function fetchOne(
  path: string,
  one: WantedRpm,
  { connection, missing }: { readonly connection: Connection; readonly missing: Map<string, string> },
  task: Task,
): Promise<FileStamp | undefined> {
  const aside = asideOf(path);
  await makeFolder(dirname(path));
  try {
    await fetchFile(one.url, aside, task, connection);
    const read = await readPooled(aside, one);
    if ('stamp' in read) return read.stamp;
    missing.set(path, `${redact(one.url)}: ${read.fault}`);
  } catch (error) {
    task.signal.throwIfAborted();
    if (error instanceof NightlyError && error.code === 'disk-full') throw error;
    missing.set(path, `${redact(one.url)}: ${error instanceof Error ? error.message : String(error)}`);
  }
  await rm(aside, { force: true });
  return undefined;
}

/** Compares a file with what is on record, in one pass, and gives it the build time of its package. */
async function readPooled(
  path: string,
  { payloadHash, bytes }: WantedRpm,
): Promise<{ readonly stamp: FileStamp } | { readonly fault: string }> {
  const found = await stat(path);
  if (bytes !== undefined && found.size !== bytes)
    return { fault: `it has ${found.size} bytes, and ${bytes} are on record` };
  const start = await readRpmStart(path).catch((error: unknown) => {
    if (error instanceof NightlyError && error.code === 'verify') return undefined;
    throw error;
  });
  if (!start) return { fault: 'it is not an RPM package that can be read' };
  const [sha256, md5] = [createHash('sha256'), createHash('md5')];
  let left = start.lead.length + padded(start.signatureSize);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    sha256.update(chunk);
    md5.update(chunk.subarray(Math.min(left, chunk.length)));
    left -= Math.min(left, chunk.length);
  }
  const hash = md5.digest('hex');
  if (hash !== payloadHash) return { fault: `its payload hash is ${hash}, and ${payloadHash} is on record` };
  await setBuildTime(path);
  const { size, mtimeMs, ino } = await stat(path);
  return { stamp: [sha256.digest('hex'), size, mtimeMs, ino] };
}
