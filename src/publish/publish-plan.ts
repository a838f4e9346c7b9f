import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { type CommitInfo, localObjects, objectPath, type ReadObject, readCommit } from '../ostree/objects.ts';
import { deltaIndexPath, deltaPath } from '../ostree/static-deltas.ts';
import { walkNew } from '../ostree/tree-walk.ts';
import type { Target } from '../targets/target.ts';
import { refuseAlias } from './alias-refs.ts';
import { refuseWhileDeleting } from './epoch.ts';
import { commitIn, type Heads, readHeads } from './heads.ts';
import { filePhase, objectPhase, type PublishPhase } from './publish-phases.ts';
import { fetchCommit, publishedObjects } from './published-objects.ts';

/**
 * What a publish will do, as plain data: a dry run prints it, `applyPublish` carries it out, `writePlan` keeps it.
 * Paths are relative to the repository.
 */
export interface PublishPlan {
  readonly version: 2;
  readonly target: string;
  readonly ref: string;
  /** The commit the target's ref names now; undefined when it has no such ref. */
  readonly from?: string | undefined;
  readonly to: string;
  /** The objects are sent whole before anything else is. Empty when the target's ref names `to` already. */
  readonly phases: readonly PublishPhase[];
  /** What `prune.json` held on the target: the ref may only be moved while it still does. Undefined: no such file. */
  readonly epoch?: string | undefined;
}

export interface PublishRequest {
  /** The local archive repository that has the commit. */
  readonly repo: string;
  readonly ref: string;
  readonly commit: string;
  readonly target: Target;
  /** The commit the target's ref must name, where that is not the new commit's parent. */
  readonly expected?: string;
  /** Static deltas to the commit that are to go along: what they start from, undefined for the one from scratch. */
  readonly deltas?: readonly (string | undefined)[];
  /** What the target publishes, where that is being read already. */
  readonly heads?: Promise<Heads>;
}

/**
 * Finds out what a target lacks of a commit, without listing it: the new tree is compared with the one the target's ref
 * names, whose folders are fetched over the public URL where they are not here. A target without the ref gets all.
 * @throws NightlyError `target-moved` when the target's commit is neither the new one's parent nor `expected`,
 *   `target-older` when the new commit is older than what is published (I5), `ostree` when it is not whole, `locked`
 *   while a prune deletes there, `unsupported` when the ref is an alias of another.
 */
export async function planPublish(request: PublishRequest, task: Task): Promise<PublishPlan> {
  const { repo, ref, commit, target } = request;
  // As a rule this needs nothing from the target, so it runs while the connection is opened.
  const ahead = planAhead(request, task);
  const { ref: published, epoch: epochFile, links } = await (request.heads ?? readHeads(target, ref, task));
  refuseAlias(ref, links, target);
  refuseWhileDeleting(epochFile, target);
  const from = commitIn(published, ref, target);
  const known = {
    version: 2,
    target: target.name,
    ref,
    to: commit,
    from,
    ...(epochFile === undefined ? {} : { epoch: new TextDecoder().decode(epochFile) }),
  } as const;
  if (from === commit) return { ...known, phases: [] };
  const next = await readCommit(repo, commit);
  if (from !== undefined) {
    const before = await fetchCommit(repo, from, target, task);
    refuseOlder(next, before, target, ref);
    refuseMoved(next, before, request);
  } else if (request.expected !== undefined) {
    throw moved(next, `no ref ${ref}`, `${request.expected} was expected`, target);
  }
  const { follows, objects: found } = await ahead;
  const readOld = publishedObjects(repo, target, task);
  const objects = from !== undefined && from === follows ? found : await newObjects(request, from, readOld, task);
  const signatures = [objectPath(commit, 'commitmeta')].filter((path) => existsSync(join(repo, path)));
  const last = filePhase('commit', repo, [...signatures, objectPath(commit, 'commit')]);
  const deltas = await deltaPhase(repo, commit, request.deltas ?? []);
  return { ...known, phases: [objects, last, deltas].filter(({ paths }) => paths.length > 0) };
}

/**
 * Returns the objects to send if the target has what the commit is to follow; without `follows` when that is not all
 * here.
 */
async function planAhead(request: PublishRequest, task: Task): Promise<{ follows?: string; objects: PublishPhase }> {
  const { repo, commit, expected } = request;
  const none = { objects: filePhase('objects', repo, []) };
  try {
    const follows = expected ?? (await readCommit(repo, commit)).parent;
    if (follows === undefined) return none;
    let lacking = false;
    const readLocal = localObjects(repo);
    const readOld: ReadObject = async (checksum, type) => {
      const object = await readLocal(checksum, type);
      lacking ||= object === undefined;
      return object;
    };
    const objects = await newObjects(request, follows, readOld, task);
    return lacking ? none : { follows, objects };
  } catch {
    // Reported by the real run.
    return none;
  }
}

function newObjects(
  { repo, commit }: PublishRequest,
  from: string | undefined,
  readOld: ReadObject,
  task: Task,
): Promise<PublishPhase> {
  return objectPhase(repo, walkNew(commit, from, { readNew: localObjects(repo), readOld }), task);
}

/** Returns the static deltas to a commit with the index that names them. */
export async function deltaPhase(
  repo: string,
  to: string,
  starts: readonly (string | undefined)[],
): Promise<PublishPhase> {
  const paths: string[] = [];
  for (const from of starts) {
    const folder = deltaPath(from, to);
    paths.push(...(await readdir(join(repo, folder))).map((name) => `${folder}/${name}`));
  }
  return filePhase('deltas', repo, starts.length > 0 ? [...paths, deltaIndexPath(to)] : []);
}

/**
 * In a commit that takes the place of a bad night: that night's build id. It may be the higher one, for the night may be dated
 * in the future.
 */
export const RETRACTS = 'atomic-nightly.retracts';

function refuseOlder(next: CommitInfo, before: CommitInfo, target: Target, ref: string): void {
  const older = before.timestamp > next.timestamp;
  const retracts = next.metadata.get(RETRACTS)?.value === before.version;
  if (!older && (retracts || !isLowerId(next.version, before.version))) return;
  const why = older ? 'is older' : 'has a lower build id';
  throw new NightlyError(
    'target-older',
    `Target "${target.name}" has ${name(before)} of ${date(before)} at ${ref}; ${name(next)} of ${date(next)} ${why}, so publishing it would take clients back in time.`,
    { hint: 'Run "atomic-nightly nightly" for a new build on top of what is published.' },
  );
}

/** Compares by day, then by count: a count may have three digits. Versions of another form do not compare. */
function isLowerId(next: string | undefined, before: string | undefined): boolean {
  const [a, b] = [next, before].map((id) => /^(\d{8})_(\d{2,})$/.exec(id ?? ''));
  if (!a || !b) return false;
  return Number(a[1]) < Number(b[1]) || (a[1] === b[1] && Number(a[2]) < Number(b[2]));
}

function refuseMoved(next: CommitInfo, before: CommitInfo, { ref, target, expected }: PublishRequest): void {
  if (before.checksum === (expected ?? next.parent)) return;
  const wanted = expected === undefined ? `it follows ${next.parent ?? 'nothing'}` : `${expected} was expected`;
  throw moved(next, `${name(before)} (${before.checksum}) at ${ref}`, wanted, target);
}

function moved(next: CommitInfo, has: string, wanted: string, target: Target): NightlyError {
  return new NightlyError(
    'target-moved',
    `Target "${target.name}" has ${has}, so ${name(next)} cannot be published: ${wanted}. Somebody else published meanwhile.`,
    { hint: 'Run "atomic-nightly nightly" for a new build on top of what is published now.' },
  );
}

const name = ({ version, checksum }: CommitInfo): string => version ?? checksum.slice(0, 12);
const date = ({ timestamp }: CommitInfo): string => new Date(timestamp * 1000).toISOString();
