import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { sha256File } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { makeClient } from '../../src/programs/ostree-client.ts';
import { listedRefs } from '../../src/publish/verify/verify-summary.ts';
import { testTask } from './tmp.ts';

export interface ReaderOptions {
  /** Where the published tree is read, without a trailing slash. */
  readonly url: string;
  readonly ref: string;
  /** Commits that may be seen, oldest first. */
  readonly commits: readonly string[];
  /** A folder of the readers' own. */
  readonly dir: string;
  /** File with the public key that every commit and the summary must be signed by. */
  readonly publicKeyFile: string;
}

/** What the readers saw. */
export interface Tally {
  reads: number;
  /** Failed for another reason than a raced signature. */
  failed: number;
  /** Failed because `summary.sig` was asked for before a flip, and `summary` after it. */
  raced: number;
  /** Failed again, for whatever reason, when it was simply tried again. */
  failedTwice: number;
  /** Pulls of a new commit that went by a static delta. */
  byDelta: number;
  /** Read without a fault, and yet not whole: what was wrong. */
  readonly inconsistent: string[];
  /** Messages of failed reads, without those of raced signatures that a retry got over. */
  readonly reasons: string[];
}

/** How a single read ended. */
type Outcome = { readonly failed: string } | { readonly inconsistent: string } | undefined;
type Read = () => Promise<Outcome>;

/** What ostree says when the summary is not the one that was signed (ostree-gpg-verify-result.c). */
const RACED = /BAD signature/;

/** Milliseconds until a read that does not end counts as failed. */
const PATIENCE = 30_000;
/** Milliseconds before a failed read is tried again. */
const RETRY_AFTER = 300;

/** Reads in a loop, each kind of reader by itself, until the signal is aborted; a read under way is finished. */
export async function readInLoop(options: ReaderOptions, signal: AbortSignal): Promise<Tally> {
  const tally: Tally = { reads: 0, failed: 0, raced: 0, failedTwice: 0, byDelta: 0, inconsistent: [], reasons: [] };
  await mkdir(options.dir, { recursive: true });
  const byDelta = (): void => {
    tally.byDelta += 1;
  };
  const readers = [freshClient(options), await followingClient(options, byDelta), downloads(options)];
  await Promise.all(readers.map((read) => loop(read, tally, signal)));
  return tally;
}

async function loop(read: Read, tally: Tally, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    tally.reads += 1;
    let outcome = await read();
    if (outcome && 'failed' in outcome) {
      if (RACED.test(outcome.failed)) tally.raced += 1;
      else {
        tally.failed += 1;
        tally.reasons.push(outcome.failed);
      }
      await pause(RETRY_AFTER);
      outcome = await read();
      if (outcome && 'failed' in outcome) {
        tally.failedTwice += 1;
        tally.reasons.push(outcome.failed);
      }
    }
    if (outcome && 'inconsistent' in outcome) tally.inconsistent.push(outcome.inconsistent);
  }
}

/** A host that is installed: an empty repository pulls everything, object by object. */
function freshClient(options: ReaderOptions): Read {
  let count = 0;
  return async () => {
    count += 1;
    const repo = join(options.dir, `fresh-${count}`);
    await newClient(repo, options);
    const seen = await pull(repo, options, '--disable-static-deltas');
    await rm(repo, { recursive: true, force: true });
    return 'at' in seen ? undefined : seen;
  };
}

/**
 * A host that upgrades: one repository pulls again and again, and never goes back. The target promises it a delta to the
 * first commit and from each to the next one; when it has missed one, ostree takes the objects.
 */
async function followingClient(options: ReaderOptions, byDelta: () => void): Promise<Read> {
  const repo = join(options.dir, 'following');
  await newClient(repo, options);
  let last = -1;
  return async () => {
    const seen = await pull(repo, options, '--require-static-deltas');
    if (!('at' in seen)) return seen;
    const { at, delta } = seen;
    const before = last;
    last = at;
    if (at < before) return { inconsistent: `went back from commit ${before} to ${at}` };
    if (delta) byDelta();
    const promised = before < 0 || at === before + 1;
    return promised && !delta ? { inconsistent: `no delta was used from commit ${before} to ${at}` } : undefined;
  };
}

async function newClient(repo: string, { url, dir, publicKeyFile }: ReaderOptions): Promise<void> {
  const trust = { gpgKeys: [publicKeyFile], signedSummary: true };
  await makeClient(repo, `${url}/repo`, trust, testTask(dir));
}

/** Where a client is after a pull, in the order of commits, and whether a delta brought it there. */
interface Seen {
  readonly at: number;
  readonly delta: boolean;
}

async function pull(
  repo: string,
  { ref, commits }: ReaderOptions,
  deltas: '--disable-static-deltas' | '--require-static-deltas',
): Promise<Seen | NonNullable<Outcome>> {
  const ostree = (...args: string[]) =>
    run('ostree', [`--repo=${repo}`, ...args], { okExitCodes: [0, 1], timeoutMs: PATIENCE }).catch(
      (error: unknown) => ({
        exitCode: 1,
        stdout: '',
        stderr: String(error),
      }),
    );
  const pulled = await ostree('pull', '--disable-fsync', deltas, 'origin', ref);
  if (pulled.exitCode !== 0) return { failed: pulled.stderr.trim() };
  const commit = (await ostree('rev-parse', `origin:${ref}`)).stdout.trim();
  const checked = await ostree('fsck', '--quiet');
  if (checked.exitCode !== 0) return { inconsistent: `${commit} is not whole: ${checked.stderr.trim()}` };
  const at = commits.indexOf(commit);
  return at < 0
    ? { inconsistent: `${commit} was never published` }
    : { at, delta: pulled.stdout.includes('delta parts') };
}

/** A person with a browser: the summary, the index, the newest build's record, its image with its checksum. */
function downloads({ url, dir, ref }: ReaderOptions): Read {
  const file = join(dir, 'download');
  const fetched = async (path: string): Promise<Outcome> => {
    const args = [
      '--silent',
      '--show-error',
      '--fail',
      `--max-time`,
      String(PATIENCE / 1000),
      '-o',
      file,
      `${url}/${path}`,
    ];
    // Not resolved, refused, cut short, an HTTP error, timed out, nothing sent, reset.
    const { exitCode, stderr } = await run('curl', args, { okExitCodes: [0, 6, 7, 18, 22, 28, 52, 55, 56] });
    return exitCode === 0 ? undefined : { failed: `${path}: ${stderr.trim()}` };
  };
  return async () => {
    const noSummary = await fetched('repo/summary');
    if (noSummary) return noSummary;
    try {
      const commit = listedRefs(await readFile(file)).refs.get(ref)?.commit;
      if (commit === undefined) return { inconsistent: `the summary does not list ${ref}` };
      const noIndex = await fetched('builds/builds.json');
      if (noIndex) return noIndex;
      const id = JSON.parse(await readFile(file, 'utf8')).builds[0]?.id;
      const noRecord = await fetched(`builds/${id}/x86_64/meta.json`);
      if (noRecord) return noRecord;
      const { path, sha256 } = JSON.parse(await readFile(file, 'utf8')).images.disk;
      const noImage = await fetched(`builds/${id}/x86_64/${path}`);
      if (noImage) return noImage;
      return (await sha256File(file)) === sha256 ? undefined : { inconsistent: `image of ${id}: another checksum` };
    } catch (error) {
      return { inconsistent: String(error) };
    }
  };
}
