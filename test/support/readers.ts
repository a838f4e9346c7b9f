import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { listedRefs } from '../../src/publish/inspect/summary.ts';
import { run } from '../../src/tools/exec.ts';
import { sha256File } from '../../src/tools/files.ts';
import { type ClientTrust, makeClient } from '../../src/tools/ostree-client.ts';
import { testTask } from './tmp.ts';

export interface ReaderOptions {
  /** Where the published tree is read, without a trailing slash. */
  readonly url: string;
  readonly ref: string;
  /** Commits that may be seen, oldest first. */
  readonly commits: readonly string[];
  /** A folder of the readers' own. */
  readonly dir: string;
  /** Default: no signatures are asked for. */
  readonly trust?: ClientTrust;
}

/** What the readers saw. */
export interface Tally {
  reads: number;
  failed: number;
  /** Failed again when it was simply tried again. */
  failedTwice: number;
  /** Read without a fault, and yet not whole: what was wrong. */
  readonly inconsistent: string[];
  /** Messages of failed reads. */
  readonly reasons: string[];
}

/** How a single read ended. */
type Outcome = { readonly failed: string } | { readonly inconsistent: string } | undefined;
type Read = () => Promise<Outcome>;

/** Milliseconds until a read that does not end counts as failed. */
const PATIENCE = 30_000;
/** Milliseconds before a failed read is tried again. */
const RETRY_AFTER = 300;

/** Reads in a loop, each kind of reader by itself, until the signal is aborted; a read under way is finished. */
export async function readInLoop(options: ReaderOptions, signal: AbortSignal): Promise<Tally> {
  const tally: Tally = { reads: 0, failed: 0, failedTwice: 0, inconsistent: [], reasons: [] };
  await mkdir(options.dir, { recursive: true });
  const readers = [freshClient(options), await followingClient(options), downloads(options)];
  await Promise.all(readers.map((read) => loop(read, tally, signal)));
  return tally;
}

async function loop(read: Read, tally: Tally, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    tally.reads += 1;
    let outcome = await read();
    if (outcome && 'failed' in outcome) {
      tally.failed += 1;
      tally.reasons.push(outcome.failed);
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

/** A host that is installed: an empty repository pulls everything. */
function freshClient(options: ReaderOptions): Read {
  let count = 0;
  return async () => {
    count += 1;
    const repo = join(options.dir, `fresh-${count}`);
    await newClient(repo, options);
    const seen = await pull(repo, options);
    await rm(repo, { recursive: true, force: true });
    return 'at' in seen ? undefined : seen;
  };
}

/** A host that upgrades: one repository pulls again and again, and never goes back. */
async function followingClient(options: ReaderOptions): Promise<Read> {
  const repo = join(options.dir, 'following');
  await newClient(repo, options);
  let last = -1;
  return async () => {
    const seen = await pull(repo, options);
    if (!('at' in seen)) return seen;
    if (seen.at < last) return { inconsistent: `went back from commit ${last} to ${seen.at}` };
    last = seen.at;
    return undefined;
  };
}

async function newClient(repo: string, { url, dir, trust }: ReaderOptions): Promise<void> {
  await makeClient(repo, `${url}/repo`, trust ?? { gpgKeys: [], signedSummary: false }, testTask(dir));
}

async function pull(repo: string, { ref, commits }: ReaderOptions): Promise<{ at: number } | NonNullable<Outcome>> {
  const ostree = (...args: string[]) =>
    run('ostree', [`--repo=${repo}`, ...args], { okExitCodes: [0, 1], timeoutMs: PATIENCE }).catch(
      (error: unknown) => ({
        exitCode: 1,
        stdout: '',
        stderr: String(error),
      }),
    );
  const pulled = await ostree('pull', '--disable-fsync', 'origin', ref);
  if (pulled.exitCode !== 0) return { failed: pulled.stderr.trim() };
  const commit = (await ostree('rev-parse', `origin:${ref}`)).stdout.trim();
  const checked = await ostree('fsck', '--quiet');
  if (checked.exitCode !== 0) return { inconsistent: `${commit} is not whole: ${checked.stderr.trim()}` };
  const at = commits.indexOf(commit);
  return at < 0 ? { inconsistent: `${commit} was never published` } : { at };
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
