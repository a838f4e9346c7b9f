import { readFileSync, statSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inParallel } from '../../base/parallel.ts';
import type { Task } from '../../base/task.ts';
import type { PlainSendOptions, SendStats, SentLog } from '../target.ts';
import { byteBudget } from './byte-budget.ts';
import { abandonUpload, beginUpload, finishUpload, type Multipart, putPart } from './multipart.ts';
import type { Bucket } from './s3-client.ts';
import { keysOf } from './s3-names.ts';
import { putFresh, putObject } from './s3-put.ts';

/** Larger files go in parts, each of which is tried again on its own. */
const LARGE_BYTES = 16 << 20;

/** The size below which most objects are. */
const SMALL_BYTES = 64 << 10;

/** Memory limit for files that are read and not sent yet, over all requests in flight. */
const MEMORY_BYTES = 64 << 20;

/** So many files may have to be sent again after a kill. */
const REMEMBER_EVERY = 100;

/** What one worker does at a time. */
type Job =
  | { readonly type: 'file'; readonly path: string; readonly bytes: number }
  | { readonly type: 'part'; readonly file: LargeFile; readonly upload: Multipart; readonly part: number };

interface LargeFile {
  readonly path: string;
  readonly bytes: number;
  /** One for each of its keys, until it is finished. */
  readonly uploads: Set<Multipart>;
}

/**
 * Sends files by one PUT for each of their keys (names.ts), large ones in parts, and asks nothing about what is there:
 * what an earlier attempt sent is known from `options.sent`. An object appears whole or not at all. What has to be `fresh` is
 * put on condition that nothing is there; that a server may disregard for large files, which come in parts.
 */
export async function sendFiles(
  bucket: Bucket,
  sourceRoot: string,
  paths: readonly string[],
  options: PlainSendOptions,
  task: Task,
): Promise<SendStats> {
  const { immutable, fresh = false } = options;
  // Under a name that is used again, an earlier attempt may have sent something else.
  const sent = immutable ? options.sent : undefined;
  const tally = openTally(sent, paths.length, task);
  const large: LargeFile[] = [];
  const budget = byteBudget(MEMORY_BYTES);
  async function* jobs(): AsyncGenerator<Job> {
    for (const path of paths) {
      if (path.endsWith('/') || sent?.has(path)) {
        tally.skip();
        continue;
      }
      const { size } = statSync(join(sourceRoot, path));
      if (size <= LARGE_BYTES) {
        yield { type: 'file', path, bytes: size };
        continue;
      }
      const file: LargeFile = { path, bytes: size, uploads: new Set() };
      large.push(file);
      for (const key of keysOf(path)) file.uploads.add(await beginUpload(bucket, key, size, immutable, task));
      for (const upload of [...file.uploads]) {
        for (let part = 1; part <= upload.parts; part += 1) yield { type: 'part', file, upload, part };
      }
    }
  }
  const doJob = (job: Job, within: Task): Promise<void> => {
    switch (job.type) {
      case 'file':
        return budget(job.bytes, async () => {
          const content = await readWhole(join(sourceRoot, job.path), job.bytes);
          let isOurs = true;
          for (const key of keysOf(job.path)) {
            if (!fresh) await putObject(bucket, key, content, immutable, within);
            else if (!(await putFresh(bucket, key, content, within))) isOurs = false;
          }
          if (isOurs) await tally.arrived(job.path, content.length);
        });
      case 'part':
        return budget(job.upload.partBytes, async () => {
          const { file, upload, part } = job;
          const content = await readPart(join(sourceRoot, file.path), upload, part);
          if (!(await putPart(bucket, upload, part, content, within))) return;
          // What is not finished is given up in the end.
          if (!(await finishUpload(bucket, upload, fresh, within))) return;
          file.uploads.delete(upload);
          if (file.uploads.size === 0) await tally.arrived(file.path, file.bytes);
        });
    }
  };
  try {
    const limits = { atATime: bucket.config.parallel, signal: task.signal };
    await inParallel(jobs(), limits, (job, signal) => doJob(job, { ...task, signal }));
  } finally {
    for (const { uploads } of large) for (const upload of uploads) await abandonUpload(bucket, upload, task);
    await tally.close();
  }
  return tally.stats;
}

/** Counts what arrived, and has it remembered in batches. */
function openTally(sent: SentLog | undefined, total: number, task: Task) {
  const stats = { files: 0, bytes: 0 };
  let skipped = 0;
  let batch: string[] = [];
  let remembering = Promise.resolve();
  // One after the other: the log need not bear more at once.
  const remember = (): Promise<void> => {
    const paths = batch;
    batch = [];
    if (paths.length > 0) remembering = remembering.then(() => sent?.add(paths));
    return remembering;
  };
  return {
    stats,
    skip(): void {
      skipped += 1;
    },
    async arrived(path: string, bytes: number): Promise<void> {
      stats.files += 1;
      stats.bytes += bytes;
      batch.push(path);
      if (stats.files % REMEMBER_EVERY === 0) task.progress(skipped + stats.files, total, 'objects');
      if (batch.length >= REMEMBER_EVERY || bytes > LARGE_BYTES) await remember();
    },
    close: remember,
  };
}

/** Waiting for another thread to read a small file takes five times as long as reading it. */
async function readWhole(file: string, bytes: number): Promise<Uint8Array> {
  return bytes <= SMALL_BYTES ? readFileSync(file) : readFile(file);
}

async function readPart(file: string, { bytes, partBytes }: Multipart, part: number): Promise<Uint8Array> {
  const from = (part - 1) * partBytes;
  const content = Buffer.allocUnsafe(Math.min(partBytes, bytes - from));
  const handle = await open(file, 'r');
  try {
    for (let at = 0; at < content.length; ) {
      const { bytesRead } = await handle.read(content, at, content.length - at, from + at);
      if (bytesRead === 0) throw new Error(`${file} became shorter while it was sent.`);
      at += bytesRead;
    }
  } finally {
    await handle.close();
  }
  return content;
}
