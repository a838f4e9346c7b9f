import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { isChecksum } from '../../ostree/objects.ts';
import type { Target } from '../../targets/target.ts';
import { updateJson } from '../publish-files.ts';
import { summaryRefs } from '../summary.ts';

/** What pruning remembers on a target between two runs. */
export const RETIRED_PATH = 'builds/retired.json';

export interface RetiredFile {
  /** Given up, by checksum; removed after the grace period. All that is needed to go on after a kill is here. */
  readonly commits: Readonly<Record<string, RetiredCommit>>;
  /** Commits that stay although a younger one of their ref went, so that no walk finds them; with that ref. */
  readonly apart: Readonly<Record<string, string>>;
  /** By `ID/ARCH`: when images and logs of builds that the index still names were removed (RFC 3339, UTC). */
  readonly builds: Readonly<Record<string, { readonly images?: string; readonly logs?: string }>>;
}

export interface RetiredCommit {
  /** In whose history it was. */
  readonly ref: string;
  readonly version?: string;
  /** Time of the commit, in seconds since the epoch. */
  readonly timestamp: number;
  /** When it was given up: RFC 3339, UTC. */
  readonly since: string;
  /** Checksums of its root folder's dirtree and dirmeta. */
  readonly tree: string;
  readonly meta: string;
}

/** Commits that a release was made of; written by promotion. */
export const PROMOTED_PATH = 'builds/promoted.json';

export interface PromotedFile {
  readonly commits: Readonly<Record<string, { readonly build?: string; readonly release?: string }>>;
}

export interface TargetState {
  /** Every ref with the commits it names: two while a publish is between ref and summary. */
  readonly refs: ReadonlyMap<string, readonly string[]>;
  readonly promoted: PromotedFile['commits'];
  readonly retired: RetiredFile;
  /** Builds that pointers lead readers to; known only of targets without a tree. */
  readonly linkedBuilds: ReadonlySet<string>;
}

/**
 * Reads what decides about a target's commits. Refs are those of the summary and of the files under `repo/refs`.
 * @param hasTree false: images are published there and no commits, so there may be neither summary nor refs
 * @throws NightlyError `ostree` when the summary is missing or damaged or there are no refs, `unsupported` for a JSON
 *   file that is none.
 */
export async function readTargetState(target: Target, task: Task, hasTree = true): Promise<TargetState> {
  const [summary, retired, promoted] = await target.readMany(['repo/summary', RETIRED_PATH, PROMOTED_PATH], task);
  const refs = new Map<string, string[]>();
  const add = (ref: string, commit: string): void => {
    if (!isChecksum(commit)) throw refusal(target, `its ref ${ref} does not hold a commit`);
    refs.set(ref, [...new Set([...(refs.get(ref) ?? []), commit])]);
  };
  if (!summary && hasTree) throw refusal(target, 'it has no repo/summary');
  if (summary) for (const [ref, commit] of refsOf(summary, target)) add(ref, commit);
  const files: string[] = [];
  for await (const { path } of target.list('repo/refs', task)) files.push(path);
  const contents = await target.readMany(files, task);
  files.forEach((path, index) => {
    const content = contents[index];
    // A file on its way, of a publisher that was killed (as directory.ts and rsync name them), is no ref.
    if (content && !/\.\d+\.\d+\.tmp$|\/\.[^/]+\.\w{6}$/.test(path))
      add(refName(path), new TextDecoder().decode(content).trim());
  });
  if (refs.size === 0 && hasTree) throw refusal(target, 'it has no refs');
  return {
    refs,
    promoted: parse<PromotedFile>(promoted, PROMOTED_PATH, target)?.commits ?? {},
    linkedBuilds: hasTree ? new Set() : await buildsLinkedFrom(target, task),
    retired: { commits: {}, apart: {}, builds: {}, ...parse<RetiredFile>(retired, RETIRED_PATH, target) },
  };
}

/**
 * Returns the builds that files below `streams/` name, but for the index of releases, which names every one there was.
 */
async function buildsLinkedFrom(target: Target, task: Task): Promise<Set<string>> {
  const paths: string[] = [];
  for await (const { path } of target.list('streams', task)) {
    if (/\.json$/.test(path) && !path.endsWith('/releases.json')) paths.push(path);
  }
  const texts = (await target.readMany(paths, task)).map((content) => new TextDecoder().decode(content));
  return new Set(texts.flatMap((text) => text.match(/\b\d{8}_\d{2,}\b/g) ?? []));
}

/** Writes what a prune remembers; nothing when that is what is there. @throws NightlyError `target-moved`. */
export async function writeRetired(before: RetiredFile, after: RetiredFile, target: Target, task: Task): Promise<void> {
  const empty: RetiredFile = { commits: {}, apart: {}, builds: {} };
  await updateJson<RetiredFile>(
    RETIRED_PATH,
    (old) => {
      const now = { ...empty, ...old };
      if (same(now, after)) return old ?? after;
      if (same(now, before)) return after;
      throw new NightlyError('target-moved', `Another prune of target "${target.name}" changed ${RETIRED_PATH}.`, {
        hint: 'Let it end, then run "atomic-nightly prune" again.',
      });
    },
    target,
    task,
  );
}

/** Whether two states of the file say the same. */
export function same(a: RetiredFile, b: RetiredFile): boolean {
  return JSON.stringify([a.commits, a.apart, a.builds]) === JSON.stringify([b.commits, b.apart, b.builds]);
}

function refsOf(summary: Uint8Array, target: Target): Map<string, string> {
  try {
    return summaryRefs(summary);
  } catch (error) {
    throw refusal(target, `its repo/summary is damaged (${String(error)})`, error);
  }
}

/** Branches by their names; refs of other kinds by their whole path. */
function refName(path: string): string {
  return path.replace(/^repo\/refs\/(heads\/)?/, '');
}

function parse<Json>(content: Uint8Array | undefined, path: string, target: Target): Json | undefined {
  if (!content) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(content)) as Json;
  } catch (error) {
    throw refusal(target, `its ${path} is not JSON (${String(error)})`, error);
  }
}

function refusal(target: Target, why: string, cause?: unknown): NightlyError {
  return new NightlyError('ostree', `Target "${target.name}" is not pruned, for ${why}. Nothing was removed.`, {
    hint: `Look at it with "atomic-nightly verify ${target.name}" and repair it first.`,
    ...(cause === undefined ? {} : { cause }),
  });
}
