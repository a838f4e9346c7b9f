import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { didYouMean } from '../../base/nearest.ts';
import type { Task } from '../../base/task.ts';
import { parseBuildId } from '../../build/build-id.ts';
import { type CommitInfo, checkedObject, objectPath, parseCommit, readCommit } from '../../ostree/objects.ts';
import { type ClientTrust, makeClient, pullAsClient } from '../../programs/ostree-client.ts';
import type { PublicFiles } from './public-http.ts';
import { inspectDeltas } from './verify-deltas.ts';
import { attempt, hintFor, RECONCILE_HINT, type Report, reasonOf } from './verify-report.ts';
import type { ListedRef, ListedRefs } from './verify-summary.ts';

export interface RefsInspection {
  /** Public URL of the repository. */
  readonly url: string;
  readonly files: PublicFiles;
  readonly listed: ListedRefs;
  readonly refs: readonly string[];
  /** What clients of a ref demand. */
  readonly trustOf: (ref: string) => ClientTrust;
  readonly scratchDir: string;
  /** Seconds since the epoch. */
  readonly now: number;
}

/** How ostree says that none of the keys it was given has signed a commit (ostree-repo-verify.c). */
const UNSIGNED_COMMIT =
  /^Commit [0-9a-f]{64}: (GPG verification enabled, but no signatures found|Can't check signature)/;

const UNSIGNED_HINT =
  'Run "atomic-nightly publish --reconcile": it sends a signature that was lost again, and adds that of a further key. A commit that ' +
  'no key of the stream has signed yet it names and leaves alone: "atomic-nightly nightly --force" publishes one that is signed.';

/** Seconds that clocks may differ. */
const CLOCK_LEEWAY = 300;

/**
 * Pulls each ref as a fresh client does, and looks at what came. A commit that several refs name travels once.
 * @returns the commits that came whole
 */
export async function inspectRefs(
  request: RefsInspection,
  report: Report,
  task: Task,
): Promise<Map<string, CommitInfo>> {
  const whole = new Map<string, CommitInfo>();
  const clients = new Map<string, string>();
  const looked = new Set<string>();
  for (const [index, ref] of request.refs.entries()) {
    task.progress(index, request.refs.length, 'files');
    const entry = request.listed.refs.get(ref);
    await refFileAgrees(request, ref, entry, report, task);
    if (!entry) continue;
    const client = join(request.scratchDir, `client-${index}`);
    const known = clients.get(entry.commit);
    const place = { ref, entry, client, known };
    const pulled = await pullRef(request, place, report, task);
    const commit = pulled ?? (await commitAlone(request, entry.commit, report, task));
    if (commit) {
      metadataAgrees(request, ref, entry, commit, report);
      await timeIsRight(request, ref, commit, report, task);
    }
    if (known === undefined && !looked.has(entry.commit)) {
      const { url, files, scratchDir } = request;
      const having = pulled ? { client } : {};
      await inspectDeltas({ url, files, ref, commit: entry.commit, scratchDir, ...having }, report, task);
    }
    looked.add(entry.commit);
    if (pulled && known === undefined) {
      clients.set(pulled.checksum, client);
      whole.set(pulled.checksum, pulled);
    } else {
      await rm(client, { recursive: true, force: true });
    }
  }
  return whole;
}

async function refFileAgrees(
  { files, url, listed }: RefsInspection,
  ref: string,
  entry: ListedRef | undefined,
  report: Report,
  task: Task,
): Promise<void> {
  const what = `ref ${ref}`;
  await attempt(report, what, RECONCILE_HINT, task.signal, async () => {
    const content = await files.get(`repo/refs/heads/${ref}`);
    const named = content && new TextDecoder().decode(content).trim();
    if (named === undefined && !entry) {
      const there = [...listed.refs.keys()];
      const hint = `${RECONCILE_HINT} Refs there: ${there.slice(0, 10).join(', ') || 'none'}.`;
      report.fault(what, `${url} has no such ref.${didYouMean(ref, there)}`, hint);
      return;
    }
    if (named === undefined) throw new Error('the summary lists it, but its file is not there');
    if (!entry)
      throw new Error(`names ${named.slice(0, 12)}, but the summary does not list it, so clients do not see it`);
    if (named !== entry.commit) throw new Error(`names ${named}, the summary ${entry.commit}`);
    report.ok(
      what,
      `names ${named.slice(0, 12)}${entry.version === undefined ? '' : ` (${entry.version})`}, as does the summary`,
    );
  });
}

async function pullRef(
  request: RefsInspection,
  { ref, entry, client, known }: { ref: string; entry: ListedRef; client: string; known?: string | undefined },
  report: Report,
  task: Task,
): Promise<CommitInfo | undefined> {
  const trust = request.trustOf(ref);
  const signed = trust.gpgKeys.length > 0 || trust.signedSummary;
  const what = `pull of ${ref}`;
  const pull = async (demands: ClientTrust): Promise<CommitInfo> => {
    await rm(client, { recursive: true, force: true });
    await makeClient(client, request.url, demands, task);
    const got = await pullAsClient({ repo: client, ref, deltas: 'no', cache: known }, task);
    if (got !== entry.commit) throw new Error(`a fresh client got ${got}, the summary said ${entry.commit}`);
    return readCommit(client, got);
  };
  task.say(`pulling ${ref} as a fresh client`);
  try {
    const commit = await pull(trust);
    const checked = [trust.gpgKeys.length > 0 ? 'commit' : '', trust.signedSummary ? 'summary' : ''].filter(
      (one) => one,
    );
    report.ok(what, `whole${checked.length > 0 ? `, signature of ${checked.join(' and ')} good` : ''}`);
    return commit;
  } catch (error) {
    task.signal.throwIfAborted();
    const why = reasonOf(error);
    report.fault(what, why, hintFor(error, UNSIGNED_COMMIT.test(why) ? UNSIGNED_HINT : RECONCILE_HINT));
  }
  if (!signed) return undefined;
  // Without its demands on signatures, to tell whether those are all that is wrong.
  return attempt(report, `${what} without signatures`, RECONCILE_HINT, task.signal, async () => {
    const commit = await pull({ gpgKeys: [], signedSummary: false });
    report.ok(`${what} without signatures`, 'whole');
    return commit;
  });
}

/** A commit that could not be pulled whole: what it says of itself can still be looked at. */
async function commitAlone(
  { files }: RefsInspection,
  checksum: string,
  report: Report,
  task: Task,
): Promise<CommitInfo | undefined> {
  return attempt(report, `commit ${checksum.slice(0, 12)}`, RECONCILE_HINT, task.signal, async () => {
    const path = `repo/${objectPath(checksum, 'commit')}`;
    const bytes = await files.get(path);
    if (!bytes) throw new Error(`${path} is not there`);
    return parseCommit(checksum, checkedObject(bytes, checksum, 'commit', path));
  });
}

/** What the commit itself says: its ref, its collection; and whether the summary says the same of it. */
function metadataAgrees(
  { listed }: RefsInspection,
  ref: string,
  entry: ListedRef,
  commit: CommitInfo,
  report: Report,
): void {
  const { refBindings, version, timestamp } = commit;
  const short = commit.checksum.slice(0, 12);
  if (refBindings === undefined) report.ok(`binding of ${ref}`, 'the commit is bound to no ref');
  else if (refBindings.includes(ref))
    report.ok(`binding of ${ref}`, `the commit was made for ${refBindings.join(', ')}`);
  else {
    const why = `${short} was made for ${refBindings.join(', ')}`;
    report.fault(`binding of ${ref}`, why, 'Publish a commit that was made for this ref; clients refuse another.');
  }
  const collection = commit.metadata.get('ostree.collection-binding')?.value;
  if (collection !== undefined || listed.collectionId !== undefined) {
    if (collection === listed.collectionId) report.ok(`collection of ${ref}`, String(collection));
    else {
      const why = `${short} is bound to ${String(collection ?? 'none')}, the summary says ${listed.collectionId ?? 'none'}`;
      report.fault(
        `collection of ${ref}`,
        why,
        'Compose and publish with one collection id; clients that follow it refuse.',
      );
    }
  }
  if (entry.version !== version || (entry.timestamp !== undefined && entry.timestamp !== timestamp)) {
    const why = `it lists version ${entry.version ?? 'none'}, the commit ${short} has ${version ?? 'none'}, or their times differ`;
    report.fault(`summary about ${ref}`, why, RECONCILE_HINT);
  }
}

async function timeIsRight(
  { files, now }: RefsInspection,
  ref: string,
  commit: CommitInfo,
  report: Report,
  task: Task,
): Promise<void> {
  const what = `time of ${ref}`;
  const hint =
    'Correct the clock of the machine that composes; clients refuse the next commit as older. "atomic-nightly retract" leads back.';
  await attempt(report, what, hint, task.signal, async () => {
    const date = new Date(commit.timestamp * 1000).toISOString();
    const isAhead = commit.timestamp > now + CLOCK_LEEWAY;
    const parent = commit.parent;
    const path = parent === undefined ? '' : `repo/${objectPath(parent, 'commit')}`;
    const bytes = parent === undefined ? undefined : await files.get(path);
    // What follows a retracted night from the future is dated just after it on purpose; its id is of the real day.
    const day = Number(new Date((now + CLOCK_LEEWAY) * 1000).toISOString().slice(0, 10).replaceAll('-', ''));
    const id = parseBuildId(commit.version ?? '');
    if (isAhead && !(parent !== undefined && id && id.day <= day)) throw new Error(`${date} is in the future`);
    if (parent !== undefined && bytes) {
      const before = parseCommit(parent, checkedObject(bytes, parent, 'commit', path));
      if (isAhead && before.timestamp + 1 !== commit.timestamp) throw new Error(`${date} is in the future`);
      if (before.timestamp > commit.timestamp) {
        throw new Error(`${date} is before that of its parent, ${new Date(before.timestamp * 1000).toISOString()}`);
      }
    }
    report.ok(what, `${date}${bytes ? ', not before its parent' : ''}`);
  });
}
