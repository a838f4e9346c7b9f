import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../base/files.ts';
import { formatCount } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import type { TargetUse } from '../../config/lookup.ts';
import type { ClientTrust } from '../../programs/ostree-client.ts';
import { INDEX_PATH } from '../../published/build-index.ts';
import { pointerPaths } from '../../published/stream-files.ts';
import { DOUBTED_CLOCK_HINT, doubtedClock } from '../../run/doubted-clock.ts';
import { type PublicFiles, publicFiles } from './public-http.ts';
import { inspectBuilds, type PublishedBuild } from './verify-builds.ts';
import { inspectPointers } from './verify-pointers.ts';
import { inspectRefs, type RefsInspection } from './verify-refs.ts';
import { attempt, type Check, RECONCILE_HINT, type Report, reportTo } from './verify-report.ts';
import { inspectSignatures } from './verify-signatures.ts';
import { listedRefs } from './verify-summary.ts';

/** A stream of which something is published there, as far as an outsider can tell. */
export interface InspectStream {
  readonly name: string;
  /** The ref that must be there, where the target gets the tree. */
  readonly ref: string;
  /** One that is there once a build was tested. */
  readonly testedRef?: string;
  readonly vagrantBox: string;
  readonly use: TargetUse;
  /** True if, as far as the work folder knows, the target was given nothing of it yet: no nightly build, or no release where it gets those. */
  readonly unpublished?: boolean;
  readonly trust: ClientTrust;
}

export interface InspectRequest {
  /** Public URL of the target. */
  readonly url: string;
  readonly streams: readonly InspectStream[];
  /** Only this ref, and nothing but refs. */
  readonly onlyRef?: string | undefined;
  /** Whether images are fetched and digested. */
  readonly imageContent: boolean;
  /** Seconds that images stay published; undefined: for ever. */
  readonly imagesSeconds?: number | undefined;
  /** Where the clients' repositories are made; they are removed afterwards. */
  readonly scratchDir: string;
}

const ELSEWHERE_HINT =
  'Check that the url of the target is where the folder that it publishes to is served. If it is, what was there is lost: "atomic-nightly publish --reconcile" puts it back.';

const nothingYet = ({ name, use }: Pick<InspectStream, 'name' | 'use'>): string =>
  `nothing ${use.releases ? 'released' : 'published'} yet of ${name}`;

const emptyText = (streams: readonly InspectStream[]): string =>
  streams.length === 0
    ? 'no stream publishes there, and no tree or build is there'
    : streams.map(nothingYet).join('; ');

/**
 * Looks at streams that the summary has no ref of and the work folder no build. Another machine may have published builds: a ref
 * that these have, or whose file is there, was lost.
 */
async function inspectWaiting(
  streams: readonly InspectStream[],
  builds: readonly PublishedBuild[],
  within: Omit<RefsInspection, 'refs'>,
  report: Report,
  task: Task,
): Promise<void> {
  for (const { name, ref, use } of streams) {
    const isBuilt = !use.releases && builds.some((build) => build.ref === ref);
    const look = async () => isBuilt || (await within.files.get(`repo/refs/heads/${ref}`)) !== undefined;
    const isLost = await attempt(report, `ref ${ref}`, RECONCILE_HINT, task.signal, look);
    if (isLost) await inspectRefs({ ...within, refs: [ref] }, report, task);
    else if (isLost === false) report.ok(`ref ${ref}`, nothingYet({ name, use }));
  }
}

/** Whether there is neither a repository nor an index of builds, nor a file that leads to builds of a stream. */
async function hasNothing(files: PublicFiles, streams: readonly InspectStream[]): Promise<boolean> {
  for (const path of ['repo/summary', 'repo/config', INDEX_PATH, ...streams.flatMap(pointerPaths)]) {
    if ((await files.get(path)) !== undefined) return false;
  }
  return true;
}

/** Reads the summary of a target and reports how many refs it names. */
async function summaryThere(files: PublicFiles, url: string, report: Report) {
  const summary = await files.get('repo/summary');
  if (!summary) throw new Error(`${url}/repo/summary is not there`);
  const found = listedRefs(summary);
  report.ok('summary', `names ${formatCount(found.refs.size, 'ref')}`);
  return found;
}

/** Returns what clients of a ref trust. */
function trustFor(ref: string, streams: readonly InspectStream[]): ClientTrust {
  const stream = streams.find((one) => one.ref === ref || one.testedRef === ref);
  return stream?.trust ?? { gpgKeys: [], signedSummary: false };
}

/**
 * Looks at a target as an outsider: over its public URL and with ostree itself. Every fault is reported, not only the
 * first. A ref of no stream is pulled without a demand on signatures.
 * @returns whether all is well
 */
export async function inspectTarget(
  request: InspectRequest,
  take: (check: Check) => void,
  task: Task,
): Promise<boolean> {
  let ok = true;
  const report = reportTo((check) => {
    ok &&= check.ok;
    take(check);
  });
  const { url, streams, onlyRef, imageContent, imagesSeconds } = request;
  const doubted = await doubtedClock([`${url}/`], task.signal);
  if (doubted) report.fault('clock', doubted.why, DOUBTED_CLOCK_HINT);
  // By a clock that is behind everything would be of the future, and the advice about it the wrong one.
  const now = doubted?.now ?? Math.floor(Date.now() / 1000);
  const files = publicFiles(url, task.signal);
  const hasTree = streams.length === 0 || streams.some(({ use }) => use.tree);
  const hasBuilds = streams.length === 0 || streams.some(({ use }) => use.builds);
  if (!hasTree) report.ok('summary', 'no tree is published here');
  if (onlyRef === undefined) {
    const isEmpty = await attempt(report, 'target', RECONCILE_HINT, task.signal, () => hasNothing(files, streams));
    if (isEmpty && streams.every((one) => one.unpublished)) report.ok('target', emptyText(streams));
    else if (isEmpty) report.fault('target', `nothing of the target is at ${url}`, ELSEWHERE_HINT);
    if (isEmpty !== false) return ok;
  }
  const readSummary = () => summaryThere(files, url, report);
  const listed = hasTree ? await attempt(report, 'summary', RECONCILE_HINT, task.signal, readSummary) : undefined;
  const isWaiting = ({ unpublished = false, ref, use }: InspectStream): boolean =>
    unpublished && (listed ? !listed.refs.has(ref) : use.releases);
  const [waiting, due] = [streams.filter(isWaiting), streams.filter((one) => !isWaiting(one))];
  await makeFolder(request.scratchDir);
  const scratchDir = await mkdtemp(join(request.scratchDir, 'inspect-'));
  try {
    const wanted = due.flatMap(({ ref, use }) => (use.tree ? [ref] : []));
    const refs = onlyRef === undefined ? [...new Set([...(listed?.refs.keys() ?? []), ...wanted])] : [onlyRef];
    const trustOf = (ref: string): ClientTrust => trustFor(ref, streams);
    const within = { url: `${url}/repo`, files, listed: listed ?? { refs: new Map() }, trustOf, scratchDir, now };
    const commits = await inspectRefs({ ...within, refs }, report, task);
    if (onlyRef !== undefined) return ok;
    const unlisted = listed ? waiting : [];
    if (!hasBuilds) {
      await inspectWaiting(unlisted, [], within, report, task);
      report.ok('builds.json', 'no images and records are published here');
      return ok;
    }
    const imagesSince = imagesSeconds === undefined ? {} : { imagesSince: now - imagesSeconds };
    const builds = await inspectBuilds({ files, hasTree, commits, imageContent, ...imagesSince }, report, task);
    await inspectWaiting(unlisted, builds, within, report, task);
    await inspectPointers({ files, url, streams, builds, refs: within.listed.refs }, report, task);
    await inspectSignatures({ files, streams, builds }, report, task);
    return ok;
  } finally {
    await rm(scratchDir, { recursive: true, force: true });
  }
}
