import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pRetry from 'p-retry';
import { NightlyError } from '../base/errors.ts';
import { ifThere, isErrno, readRegular } from '../base/files.ts';
import { bodyOf, httpFetch } from '../base/http.ts';
import { runningLimit } from '../base/running-time.ts';
import type { Task } from '../base/task.ts';
import { addRemote, initRepo, pullPaths } from '../programs/ostree.ts';
import { type CommitInfo, isChecksum, objectPath, readCommit } from './objects.ts';

export interface SeedRequest {
  /** URL of a published repository: http, https or file. */
  readonly url: string;
  readonly ref: string;
  /** The local archive repository; made when missing. */
  readonly repo: string;
  /** Paths of the commit to have besides, where it has them; default: none. */
  readonly paths?: readonly string[];
  /** Public keys, one of which must have signed the commit; none: no signature is asked for. */
  readonly gpgKeys: readonly string[];
  /** Whether a commit may be there that was made for another ref; default: ostree refuses it. */
  readonly anyBinding?: boolean;
  /** Whether a commit needs no signature; default: each needs one where there are keys. */
  readonly isKnown?: (checksum: string) => Promise<boolean>;
}

/** Name of the remote that seeding uses in the local repository; its configuration is written anew each time. */
const REMOTE = 'seed';

/**
 * What a compose reads in the commit before: the ids that users and groups have, so that they keep them. The last two
 * are from trees of rpm-ostree's early days.
 */
export const ID_FILES = ['/usr/lib/passwd', '/usr/lib/group', '/usr/etc/passwd', '/usr/etc/group'] as const;

/**
 * Pulls the commit that the ref of a published repository names, but of its content only what a diff and a parent need:
 * its record and its users and groups. Gives undefined when there is no such repository or ref.
 * @throws NightlyError `seed` when the server does not answer, the commit is damaged, or its signature is not good.
 */
export async function seedFrom(request: SeedRequest, task: Task): Promise<CommitInfo | undefined> {
  const { url, ref, repo, paths = [], anyBinding = false, isKnown = async () => false } = request;
  if (!existsSync(join(repo, 'config'))) await initRepo(repo, 'archive', task);
  const content = await readPublished(`${url}/refs/heads/${ref}`, task.signal).catch((error: unknown) => {
    task.signal.throwIfAborted();
    throw seedError(url, error);
  });
  if (content === undefined) return undefined;
  const checksum = new TextDecoder().decode(content).trim();
  if (checksum === '') {
    throw new NightlyError('seed', `${url}/refs/heads/${ref} is empty: that repository has lost what its ref named.`, {
      hint: 'Have it put back there: where it is a target, "atomic-nightly publish --reconcile" does that; of another repository, its owner or a mirror has it.',
    });
  }
  if (!isChecksum(checksum)) {
    throw new NightlyError('seed', `${url}/refs/heads/${ref} does not hold a commit: "${checksum.slice(0, 80)}".`, {
      hint: 'Correct seed.url: it must be the URL of the OSTree repository itself.',
    });
  }
  const gpgKeys = request.gpgKeys.length > 0 && (await isKnown(checksum)) ? [] : request.gpgKeys;
  // What is here already was pulled and checked on an earlier night, or made here.
  if (gpgKeys.length > 0 || !existsSync(join(repo, objectPath(checksum, 'commit')))) {
    if (url.startsWith('file://')) await refuseSpecialFiles(fileURLToPath(url));
    await addRemote({ repo, name: REMOTE, url, gpgKeys }, task);
    const wanted = { commit: checksum, paths: [...ID_FILES, ...paths], ...(!anyBinding && { ref }) };
    await pullPaths({ repo, remote: REMOTE, ...wanted }, task).catch((error: unknown) => {
      const text = error instanceof Error ? error.message : String(error);
      throw gpgKeys.length > 0 && /signature|GPG/i.test(text) ? unsigned(url, checksum, error) : seedError(url, error);
    });
  }
  return readCommit(repo, checksum);
}

/** Milliseconds until a server that sends nothing counts as gone; how long all of it takes is no matter. */
const PATIENCE_MS = 30_000;

/**
 * Content of a published file; undefined when the server says that there is none. Tried again on passing faults.
 * @throws Error that says why when there is no clear answer; whose file it is, and what to do then, the caller knows.
 */
export async function readPublished(
  url: string,
  signal: AbortSignal,
  patienceMs = PATIENCE_MS,
): Promise<Uint8Array | undefined> {
  if (url.startsWith('file://')) {
    return readRegular(fileURLToPath(url)).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
      throw error;
    });
  }
  return pRetry(() => get(url, signal, patienceMs), { retries: 3, minTimeout: 300, signal });
}

/**
 * ostree waits without an end for a FIFO in the place of `config`, and takes one for an object into the local repository.
 * @throws NightlyError `seed`
 */
async function refuseSpecialFiles(repo: string): Promise<void> {
  const strange: string[] = [];
  const todo = [repo];
  for (let folder = todo.pop(); folder !== undefined; folder = todo.pop()) {
    for (const one of (await ifThere(readdir(folder, { withFileTypes: true }))) ?? []) {
      const path = join(folder, one.name);
      if (one.isDirectory() && path !== join(repo, 'tmp')) todo.push(path);
      // Links are what refs and folders of some repositories are.
      else if (!one.isFile() && !one.isDirectory() && !one.isSymbolicLink()) strange.push(path);
    }
  }
  if (strange.length === 0) return;
  throw new NightlyError(
    'seed',
    `What the published repository has here is not a file:\n  ${strange.sort().join('\n  ')}`,
    {
      hint: 'Remove it, or have the repository created again; then run again.',
    },
  );
}

async function get(url: string, signal: AbortSignal, patienceMs: number): Promise<Uint8Array | undefined> {
  const silent = new AbortController();
  const why = new Error(`nothing arrived for ${patienceMs / 1000} s`);
  const limit = runningLimit(patienceMs, () => silent.abort(why));
  try {
    const response = await httpFetch(url, { signal: AbortSignal.any([signal, silent.signal]) });
    if (response.ok) return await bodyOf(response, limit.again);
    await response.body?.cancel();
    if (response.status === 404 || response.status === 410) return undefined;
    throw new Error(`HTTP status ${response.status}`);
  } finally {
    limit.end();
  }
}

function unsigned(url: string, checksum: string, cause: unknown): NightlyError {
  return new NightlyError(
    'seed',
    `The commit ${checksum} at ${url} has no good signature by a key that is trusted here.`,
    {
      hint: 'Nothing is built on top of it. Find out who put it there; "atomic-nightly publish --reconcile" on the machine that publishes puts the ref back. If it is right, name a key that signed it under seed.gpg-keys.',
      cause,
    },
  );
}

function seedError(url: string, error: unknown): NightlyError {
  const text = error instanceof Error ? error.message : String(error);
  const why = error instanceof Error && error.cause instanceof Error ? `${text}: ${error.cause.message}` : text;
  return new NightlyError('seed', `The published repository cannot be read: ${url}: ${why}`, {
    hint: 'Check that the web server runs and seed.url is right; then run again.',
    cause: error,
  });
}
