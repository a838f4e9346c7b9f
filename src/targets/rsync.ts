import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RsyncTargetConfig } from '../config/config.ts';
import { NightlyError } from '../errors.ts';
import { isErrno, writeFileAtomic } from '../tools/files.ts';
import { type RsyncRemote, rsyncFetch, rsyncSend } from '../tools/rsync.ts';
import type { Task } from '../tools/task.ts';
import { holds, movedError } from './expect.ts';
import type { SwapRequest, Target } from './target.ts';

/**
 * A folder on another host, reached with rsync alone: over ssh (an account restricted to `rrsync` will do) or a daemon
 * module. rsync has no compare-and-swap. A lock file with the owner's token stands in for it: written, read back after a
 * pause, and the expectations are read again under it. Two publishers that write the lock within the same moment see
 * one token, so one of them gives way; a publisher that stalls for longer than a lock's life between reading
 * and putting could still overwrite a newer ref. Objects are never at risk: their names are their checksums.
 */
const LOCK = '.atomic-nightly.lock';
/** A swap puts a few small files; whoever holds the lock longer than this is dead. */
const LOCK_LIFE_MS = 5 * 60_000;
/** Longer than two publishers' writes of the lock can overlap on a usable link. */
const SETTLE_MS = 300;

interface LockContent {
  readonly token: string;
  readonly owner: string;
  /** Milliseconds since the epoch; 0 once it is free. */
  readonly until: number;
}

/** A target reached with rsync. */
export function rsyncTarget(config: RsyncTargetConfig): Target {
  const { name, destination, ssh, passwordFile, bandwidthLimit, url } = config;
  const remote: RsyncRemote = {
    destination,
    ...ssh,
    ...(passwordFile === undefined ? {} : { passwordFile }),
    ...(bandwidthLimit === undefined ? {} : { bandwidthLimit }),
  };
  return {
    name,
    publicUrl: url,
    describe: () => `rsync ${destination}`,
    async check(task) {
      await putFile(remote, '.atomic-nightly.check', Buffer.from(''), task);
    },
    async read(path, task) {
      return (await readFiles(remote, [path], task))[0];
    },
    async send(sourceRoot, paths, { immutable }, task) {
      if (paths.length === 0) return { files: 0, bytes: 0 };
      return rsyncSend(remote, sourceRoot, paths, immutable, task);
    },
    async swap(request, task) {
      await withLock(remote, name, task, () => checkAndPut(remote, name, request, task));
    },
  };
}

async function checkAndPut(remote: RsyncRemote, name: string, { expect, put }: SwapRequest, task: Task): Promise<void> {
  const contents = await readFiles(
    remote,
    expect.map(({ path }) => path),
    task,
  );
  for (const [index, { path, content }] of expect.entries()) {
    if (!holds(contents[index], content)) throw movedError(name, path);
  }
  // One transfer each: the order in which they appear counts.
  for (const { path, content } of put) await putFile(remote, path, content, task);
}

async function withLock(remote: RsyncRemote, name: string, task: Task, work: () => Promise<void>): Promise<void> {
  const mine: LockContent = {
    token: randomUUID(),
    owner: `${hostname()} process ${process.pid}`,
    until: Date.now() + LOCK_LIFE_MS,
  };
  refuseHeld(name, await readLock(remote, task), mine);
  await putFile(remote, LOCK, Buffer.from(JSON.stringify(mine)), task);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  refuseHeld(name, await readLock(remote, task), mine);
  try {
    await work();
  } finally {
    // rsync deletes nothing without listing; a lock whose life is over is as good as none.
    await putFile(remote, LOCK, Buffer.from(JSON.stringify({ ...mine, until: 0 })), task);
  }
}

async function readLock(remote: RsyncRemote, task: Task): Promise<LockContent | undefined> {
  const content = (await readFiles(remote, [LOCK], task))[0];
  return content === undefined ? undefined : (JSON.parse(Buffer.from(content).toString('utf8')) as LockContent);
}

function refuseHeld(name: string, lock: LockContent | undefined, mine: LockContent): void {
  if (!lock || lock.token === mine.token || lock.until < Date.now()) return;
  throw new NightlyError('locked', `Another publisher is changing target "${name}" right now: ${lock.owner}.`, {
    hint: `Run "atomic-nightly resume" in a minute. Its lock ends by itself at ${new Date(lock.until).toISOString()}.`,
  });
}

async function readFiles(
  remote: RsyncRemote,
  paths: readonly string[],
  task: Task,
): Promise<(Uint8Array | undefined)[]> {
  return inFolder(async (folder) => {
    await rsyncFetch(remote, paths, folder, task);
    return Promise.all(
      paths.map((path) =>
        readFile(join(folder, path)).catch((error: unknown) => {
          if (isErrno(error, 'ENOENT')) return undefined;
          throw error;
        }),
      ),
    );
  });
}

async function putFile(remote: RsyncRemote, path: string, content: Uint8Array, task: Task): Promise<void> {
  await inFolder(async (folder) => {
    const file = join(folder, path);
    if (path.includes('/')) await writeFileAtomic(file, content);
    else await writeFile(file, content);
    await rsyncSend(remote, folder, [path], false, task);
  });
}

async function inFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'atomic-nightly-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
