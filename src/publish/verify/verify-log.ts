import { sha256 } from '../../base/files.ts';
import { formatCount, formatSeconds } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import { LOG_HINT } from '../../log/log-fault.ts';
import { isQuorum, type Policy } from '../../log/policy.ts';
import { TILE_WIDTH } from '../../log/tile-math.ts';
import type { TileTree } from '../../log/tile-tree.ts';
import { type LogEntry, parseEntry } from '../../published/log-entry.ts';
import { CHECKPOINT_PATH, sumsPath } from '../../published/paths.ts';
import { requireOpenpgp } from '../log/sign-openpgp.ts';
import { historyOf, type LogView, openLogView, openWithPolicy } from './log-view.ts';
import type { PublicFiles } from './public-http.ts';
import { attempt, type Report } from './verify-report.ts';
import { listedRefs } from './verify-summary.ts';

export interface InspectLog {
  readonly files: PublicFiles;
  /** The target's URL, for messages. */
  readonly url: string;
  readonly policy: Policy;
  /** The checkpoint that this client saw last. */
  readonly seen?: { readonly note: Buffer; readonly file: string };
  /** Builds that must be in it, by `ID/ARCH`, beside all refs. */
  readonly builds: readonly string[];
  /** Seconds after which the newest cosignature is too old. */
  readonly maxAgeSeconds?: number;
  /** OpenPGP keys that must have signed it as well: binary, one behind another. */
  readonly openpgp?: Uint8Array;
}

/** What was served when a client was shown two histories. */
export interface Evidence {
  readonly seen: Buffer;
  readonly now: Buffer;
}

export interface LogInspection {
  /** The checkpoint that was served and verified; the next look begins with it, if this one found nothing wrong. */
  readonly note?: Buffer;
  /** Both checkpoints, where they do not fit together. */
  readonly evidence?: Evidence;
}

const STALE_HINT = 'Ask whoever publishes there: either nothing is appended any more, or an old log is served.';
const QUORUM_HINT = 'Do not take anything from there until they have; the policy says how many are enough.';
const UNLOGGED_HINT = `It is visible, and not in the log. ${LOG_HINT}`;

/**
 * Looks at a target's release log as a client that trusts a policy: signature, quorum, that it only grew since this client looked last,
 * freshness, and that every ref's commit and the builds asked for are in it.
 */
export async function inspectLog(request: InspectLog, report: Report, task: Task): Promise<LogInspection> {
  const { files, policy, url } = request;
  const view = await attempt(report, 'log', LOG_HINT, task.signal, async () => {
    const found = await openLogView(files, policy, url);
    if (found) return found;
    throw new Error(`there is no release log at ${url}`);
  });
  if (!view) return {};
  const { note, checkpoint } = view;
  report.ok('log', `${checkpoint.origin}, ${formatCount(checkpoint.size, 'entry', 'entries')}, signed by its key`);
  inspectWitnesses(view, request, report);
  await attempt(report, 'log openpgp', LOG_HINT, task.signal, () => inspectOpenpgp(view, request, report, task));
  const evidence = await attempt(report, 'log history', LOG_HINT, task.signal, () =>
    inspectHistory(view, request, report),
  );
  await attempt(report, 'log entries', LOG_HINT, task.signal, () => inspectEntries(view, request, report, task));
  return { note, ...(evidence && { evidence }) };
}

function inspectWitnesses({ checkpoint }: LogView, { policy, maxAgeSeconds }: InspectLog, report: Report): void {
  const { cosigned } = checkpoint;
  const of = `${cosigned.size} of ${policy.witnesses.length} witnesses`;
  if (isQuorum(policy.quorum, cosigned)) report.ok('log witnesses', `cosigned by ${of}`);
  else report.fault('log witnesses', `cosigned by ${of}, which is too few for the policy`, QUORUM_HINT);
  const newest = Math.max(0, ...cosigned.values());
  if (newest === 0) {
    if (maxAgeSeconds !== undefined)
      report.fault('log age', 'no witness of the policy says when it was signed', STALE_HINT);
    return;
  }
  const age = Math.max(0, Math.floor(Date.now() / 1000) - newest);
  const words = `cosigned ${formatSeconds(age)} ago`;
  if (maxAgeSeconds === undefined || age <= maxAgeSeconds) report.ok('log age', words);
  else report.fault('log age', `${words}; ${formatSeconds(maxAgeSeconds)} are allowed`, STALE_HINT);
}

async function inspectOpenpgp(
  { note, checkpoint: { origin: name } }: LogView,
  { openpgp: keyring, url }: InspectLog,
  report: Report,
  task: Task,
): Promise<void> {
  if (keyring === undefined) return;
  const keys = await requireOpenpgp(note, { name, keyring, file: `${url}/${CHECKPOINT_PATH}` }, task);
  report.ok('log openpgp', `signed by ${keys.join(' and ')}`);
}

async function inspectHistory(
  { tree, checkpoint, note }: LogView,
  { policy, seen }: InspectLog,
  report: Report,
): Promise<Evidence | undefined> {
  if (!seen) {
    report.ok('log history', 'nothing was seen of it before');
    return undefined;
  }
  const before = openWithPolicy(seen.note, policy, seen.file);
  if (before.origin !== checkpoint.origin) {
    report.fault('log history', `${seen.file} is of another log, ${before.origin}`, 'Name another file with --state.');
    return undefined;
  }
  const evidence = { seen: seen.note, now: note };
  switch (await historyOf(tree, before)) {
    case 'same':
    case 'grown':
      report.ok('log history', `has all ${before.size} entries that were seen before`);
      return undefined;
    case 'rolled-back':
      report.fault(
        'log history',
        `it had ${formatCount(before.size, 'entry', 'entries')} and has ${tree.size} now: it went back`,
        LOG_HINT,
      );
      return evidence;
    case 'split':
      report.fault(
        'log history',
        `its first ${before.size} entries are others than before: there are two of it`,
        LOG_HINT,
      );
      return evidence;
  }
}

/** Reads the log from its end, until all that is sought was found. */
async function inspectEntries(
  { tree }: LogView,
  { files, builds }: InspectLog,
  report: Report,
  task: Task,
): Promise<void> {
  const summary = await files.get('repo/summary');
  const refs = new Map(summary ? [...listedRefs(summary).refs].map(([ref, { commit }]) => [ref, commit]) : []);
  const sought = new Set(builds);
  for await (const { entry, index } of entriesBackwards(tree, report, task)) {
    if (refs.size === 0 && sought.size === 0) return;
    if (entry.kind === 'ref' && refs.get(entry.ref) === entry.commit) {
      report.ok(`log, ref ${entry.ref}`, `commit ${entry.commit.slice(0, 12)} is entry ${index}`);
      refs.delete(entry.ref);
    }
    if (entry.kind === 'build' || entry.kind === 'build-changed') {
      const key = `${entry.id}/${entry.arch}`;
      if (sought.delete(key)) await inspectSums(entry, index, files, report);
    }
  }
  for (const [ref, commit] of refs)
    report.fault(`log, ref ${ref}`, `commit ${commit} is not in the log`, UNLOGGED_HINT);
  for (const key of sought) report.fault(`log, build ${key}`, 'is not in the log', UNLOGGED_HINT);
}

type BuildEntry = Extract<LogEntry, { kind: 'build' | 'build-changed' }>;

/** The last entry of a build has the digest of its list of checksums as it is now. */
async function inspectSums({ id, arch, sums }: BuildEntry, index: number, files: PublicFiles, report: Report) {
  const path = sumsPath(id, arch);
  const content = await files.get(path);
  const what = `log, build ${id}/${arch}`;
  if (content === undefined) report.fault(what, `${path} is not there`, LOG_HINT);
  else if (sha256(content) === sums.sha256) report.ok(what, `${path} is as entry ${index} has it`);
  else report.fault(what, `${path} is not what entry ${index} of the log says: it was changed`, LOG_HINT);
}

/** Entries of our format from the last to the first; one that is damaged is reported, and does not keep others from being read. */
async function* entriesBackwards(tree: TileTree, report: Report, task: Task) {
  const bundles = Math.ceil(tree.size / TILE_WIDTH);
  for (let bundle = bundles - 1; bundle >= 0; bundle -= 1) {
    task.signal.throwIfAborted();
    const entries = await tree.bundle(bundle);
    for (let offset = entries.length - 1; offset >= 0; offset -= 1) {
      const index = bundle * TILE_WIDTH + offset;
      const what = `log, entry ${index}`;
      const entry = await attempt(report, what, LOG_HINT, task.signal, async () =>
        parseEntry(entries[offset] ?? Buffer.alloc(0), { file: what }),
      );
      if (entry) yield { entry, index };
    }
    task.progress(bundles - bundle, bundles, 'files');
  }
}
