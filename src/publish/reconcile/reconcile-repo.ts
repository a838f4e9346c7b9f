import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import pLimit from 'p-limit';
import { filesBelow, sha256File, sizeIfThere } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { filezChecksum } from '../../ostree/filez.ts';
import { localObjects, type ObjectType, objectPath } from '../../ostree/objects.ts';
import { deltaIndexPath, deltaPath } from '../../ostree/static-deltas.ts';
import type { PublicFiles } from '../verify/public-http.ts';
import { deltasInIndex } from '../verify/verify-deltas.ts';
import { commitsToBeWhole, needsNone, walkCommit } from './commit-walk.ts';
import { compareFile } from './compare-file.ts';
import type { TableEntry } from './object-table.ts';
import type { ReconcileFile, ReconcilePhase, Unrepairable } from './reconcile-plan.ts';
import type { RepoListing } from './repo-listing.ts';

export interface RepoRequest {
  /** The local repository; its folder is named `repo`. */
  readonly repo: string;
  readonly listing: RepoListing;
  /** Commits that refs name. */
  readonly named: Iterable<string>;
  /** Set where content is compared over the public URL as well: a request per object. */
  readonly files?: PublicFiles;
}

export interface RepoComparison {
  readonly phases: readonly ReconcilePhase[];
  readonly unrepairable: readonly Unrepairable[];
  readonly unneeded: number;
  readonly commits: ReadonlySet<string>;
  readonly objects: number;
  /** Whether a commit will be there with all it needs once the phases are sent. */
  isWhole(commit: string): Promise<boolean>;
}

/** Objects looked at side by side. */
const PARALLEL = 32;
/** Lines about single objects; the rest is counted. */
const MAX_LINES = 20;

/**
 * Compares what the commits of a target need with what it has: by name, and by size with the local repository. What is
 * to be sent is digested first, so that a damaged local copy stays here.
 */
export async function compareRepo(request: RepoRequest, task: Task): Promise<RepoComparison> {
  const { repo, listing } = request;
  const { objects } = listing;
  const read = localObjects(repo);
  const unrepairable: Unrepairable[] = [];
  const commits = await commitsToBeWhole(request, read, unrepairable);
  for (const commit of commits) {
    task.signal.throwIfAborted();
    const fault = await walkCommit(commit, read, (checksum, type) => objects.need(checksum, type));
    if (fault) unrepairable.push(fault);
  }
  const lost = new Set<string>();
  const sends: Record<ObjectType, ReconcileFile[]> = {
    filez: [],
    dirtree: [],
    dirmeta: [],
    commit: [],
    commitmeta: [],
  };
  let [looked, unneeded] = [0, 0];
  for (const batch of batches(objects.entries())) {
    task.signal.throwIfAborted();
    await pLimit(PARALLEL).map(batch, async (entry) => {
      const path = objectPath(entry.checksum, entry.type);
      if (!entry.needed) unneeded += entry.type === 'commitmeta' ? 0 : 1;
      const found = entry.needed ? await compareObject(request, entry, path) : 'sound';
      if (found === 'lost') lost.add(path);
      else if (found !== 'sound') sends[entry.type].push(found);
    });
    looked += batch.length;
    task.progress(looked, undefined, 'objects');
  }
  for (const path of [...lost].sort().slice(0, MAX_LINES)) unrepairable.push(lostObject(path, repo));
  if (lost.size > MAX_LINES) unrepairable.push(lostObject(`${lost.size - MAX_LINES} more objects`, repo));
  const isWhole = async (commit: string): Promise<boolean> =>
    commits.has(commit) && (unrepairable.length === 0 || (await needsNone(commit, read, lost)));
  // A commit must not appear when something it needs cannot.
  const whole: ReconcileFile[] = [];
  for (const file of sends.commit) {
    const checksum = file.path.replace(/^repo\/objects\/(..)\/(.{62})\.commit$/, '$1$2');
    if (await isWhole(checksum)) whole.push(file);
  }
  const phases: readonly ReconcilePhase[] = [
    { name: 'objects', files: byPath([...sends.filez, ...sends.dirtree, ...sends.dirmeta]) },
    { name: 'signatures', files: byPath(sends.commitmeta) },
    { name: 'commits', files: byPath(whole) },
    ...(await compareDeltas(request, commits)),
  ];
  return { phases, unrepairable, unneeded, commits, objects: looked - unneeded, isWhole };
}

async function compareObject(
  { repo, files }: RepoRequest,
  { checksum, type, bytes }: TableEntry,
  path: string,
): Promise<'sound' | 'lost' | ReconcileFile> {
  const local = join(repo, path);
  // There is a signature only where somebody signed; what is not here cannot be compared.
  if ((await sizeIfThere(local)) === undefined) return bytes !== undefined || type === 'commitmeta' ? 'sound' : 'lost';
  const there = (): number | undefined => bytes;
  const fault = await compareFile({ root: dirname(repo), there, files }, `repo/${path}`);
  // On a directory target both may be one file: that they are equal says little.
  if (!fault && !files) return 'sound';
  const digest = type === 'commitmeta' ? checksum : await (type === 'filez' ? filezChecksum(local) : sha256File(local));
  if (digest !== checksum) return 'lost';
  return fault ?? 'sound';
}

/**
 * Static deltas to commits that are to be there, as the local repository has them, unless their start was pruned. An index
 * goes only if everything it names will be there: a client would ask for it.
 */
async function compareDeltas({ repo, listing, files }: RepoRequest, commits: ReadonlySet<string>) {
  const root = dirname(repo);
  const copies = { root, there: (path: string) => listing.files.get(path), files };
  const deltas: ReconcileFile[] = [];
  const folders = new Set([...listing.files.keys()].map(dirname));
  for (const name of await filesBelow(join(root, 'repo/deltas'))) {
    const path = `repo/deltas/${name}`;
    const [, first = '', rest = ''] = /^repo\/deltas\/(..)\/([^/]+)/.exec(path) ?? [];
    const [from, to = from] = `${first}${rest}`.split('-').map(checksumOf);
    if (from === undefined || to === undefined || !commits.has(to) || listing.pruned.has(from)) continue;
    folders.add(dirname(path));
    const fault = await compareFile(copies, path);
    if (fault) deltas.push(fault);
  }
  const indexes: ReconcileFile[] = [];
  for (const to of commits) {
    const path = `repo/${deltaIndexPath(to)}`;
    const fault = await compareFile(copies, path);
    if (!fault) continue;
    const names = [...deltasInIndex(await readFile(join(root, path))).keys()];
    const named = names.map((name) => name.split('-')).map(([a, b]) => (b === undefined ? [undefined, a] : [a, b]));
    if (named.every(([from, end]) => folders.has(`repo/${deltaPath(from, end ?? to)}`))) indexes.push(fault);
  }
  return [
    { name: 'deltas', files: byPath(deltas) },
    { name: 'delta indexes', files: byPath(indexes) },
  ] as const satisfies readonly ReconcilePhase[];
}

/** Equal targets give equal plans. */
const byPath = (files: readonly ReconcileFile[]): ReconcileFile[] =>
  files.toSorted((a, b) => (a.path < b.path ? -1 : 1));

/** A checksum as ostree writes it in paths of deltas: base64 with `_` for `/`. */
const checksumOf = (name: string): string => Buffer.from(name.replaceAll('_', '/'), 'base64').toString('hex');

function lostObject(what: string, repo: string): Unrepairable {
  const hint = 'Pull the commit into the local repository from a mirror that has it whole, then run again.';
  return { what, why: `it is missing or damaged on the target, and in ${repo} as well`, hint };
}

function* batches(entries: Iterable<TableEntry>): Generator<TableEntry[]> {
  let batch: TableEntry[] = [];
  for (const entry of entries) {
    batch.push(entry);
    if (batch.length < 1000) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
