import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pRetry from 'p-retry';
import { asNightlyError } from '../base/as-nightly-error.ts';
import { NightlyError } from '../base/errors.ts';
import { makeFolder } from '../base/files.ts';
import { FREE_SPACE_HINT, withFullDisk } from '../base/full-disk.ts';
import { runningMs } from '../base/running-time.ts';
import type { Task } from '../base/task.ts';
import { makeClient, pullAsClient } from '../programs/ostree-client.ts';

export interface VerifyRequest {
  /** Public URL of the repository. */
  readonly url: string;
  readonly ref: string;
  /** The commit a client must get. */
  readonly commit: string;
  /** Files with public keys. With any, the commit must be signed by one. */
  readonly gpgKeys: readonly string[];
  /** The public key that commit and summary were signed with just now; with it, both must be signed by one of the keys. */
  readonly signingKey?: Uint8Array | undefined;
  /** A folder for the client's repository; it is removed afterwards. */
  readonly scratchDir: string;
  /** How long a cache may keep serving the old content. Default: 90, above the minute that targets allow. */
  readonly cacheSeconds?: number;
}

/** Between two looks at what a cache serves. */
const LOOK_EVERY_MS = 3000;

/**
 * Verifies a publish as an anonymous client: a fresh repository pulls the ref over the public URL, every object checked by
 * ostree on the way (I6).
 * @throws NightlyError `verify` when the pull fails for ten seconds, or still gives another commit after `cacheSeconds`.
 */
export async function verifyPublished(request: VerifyRequest, task: Task): Promise<void> {
  const { url, ref, commit, signingKey } = request;
  await makeFolder(request.scratchDir);
  const folder = await mkdtemp(join(request.scratchDir, 'verify-'));
  try {
    const gpgKeys = [...request.gpgKeys];
    if (signingKey) {
      const file = join(folder, 'signing-key.gpg');
      await writeFile(file, signingKey);
      gpgKeys.push(file);
    }
    const repo = join(folder, 'repo');
    await makeClient(repo, url, { gpgKeys, signedSummary: signingKey !== undefined }, task);
    const look = () => pullAsClient({ repo, ref, deltas: 'may' }, task);
    task.say(`pulling ${ref} from ${url} as a fresh client`);
    const until = runningMs() + (request.cacheSeconds ?? 90) * 1000;
    for (;;) {
      const seen = await pRetry(look, { retries: 5, minTimeout: 300, signal: task.signal });
      if (seen === commit) break;
      if (runningMs() > until) throw new Error(`a fresh client got ${seen}`);
      task.say(`${url} still serves ${seen.slice(0, 12)}: waiting for a cache in front of it`);
      await pause(LOOK_EVERY_MS, undefined, { signal: task.signal });
    }
    task.say(`a fresh client pulled ${commit.slice(0, 12)} from ${url}`);
  } catch (error) {
    task.signal.throwIfAborted();
    const near = [request.scratchDir];
    const inner = withFullDisk(asNightlyError(error, near), near);
    if (inner.code === 'disk-full') throw noRoom(inner, request);
    throw new NightlyError('verify', `${url} does not serve ${commit} at ${ref}: ${textOf(error)}`, {
      hint: 'Check that the web server serves the target and no cache holds refs or summary for long; then run "atomic-nightly resume".',
      cause: error,
      log: task.logFile,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What is wrong here says nothing about what is served. */
function noRoom(error: NightlyError, { scratchDir, url }: VerifyRequest): NightlyError {
  return new NightlyError(
    'disk-full',
    `The disk is full at ${scratchDir}: a fresh client of ${url} has no room.\n${error.message}`,
    {
      hint: `${FREE_SPACE_HINT} ostree leaves 3 % of a disk free.`,
      log: error.log,
      cause: error,
    },
  );
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
