import { NightlyError } from '../../base/errors.ts';
import { oneLine } from '../../base/one-line.ts';
import { type RecordFormat, readRecord } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { isChecksum } from '../../ostree/objects.ts';
import { isRef } from '../../ostree/ref.ts';
import {
  PROMOTED,
  PROMOTED_PATH,
  type PromotedFile,
  RETIRED,
  RETIRED_PATH,
  type RetiredFile,
} from '../../published/retired.ts';
import { isReleasesPath } from '../../published/stream-files.ts';
import type { Target } from '../../targets/target.ts';
import { updateRecord } from '../publish-files.ts';
import { summaryRefs } from '../summary.ts';

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
    if (!isRef(ref)) throw refusal(target, `"${oneLine(ref)}" is not the name of a ref`);
    if (!isChecksum(commit))
      throw refusal(target, `its ref ${ref} ${commit === '' ? 'is empty' : 'does not hold a commit'}`);
    refs.set(ref, [...new Set([...(refs.get(ref) ?? []), commit])]);
  };
  if (!summary && hasTree) throw refusal(target, 'it has no repo/summary');
  if (summary?.length === 0) throw refusal(target, 'its repo/summary is empty');
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
    promoted: remembered(promoted, PROMOTED, PROMOTED_PATH, target)?.commits ?? {},
    linkedBuilds: hasTree ? new Set() : await buildsLinkedFrom(target, task),
    retired: filled(remembered(retired, RETIRED, RETIRED_PATH, target)),
  };
}

/**
 * Returns the builds that files below `streams/` name, but for the index of releases, which names every one there was.
 */
async function buildsLinkedFrom(target: Target, task: Task): Promise<Set<string>> {
  const paths: string[] = [];
  for await (const { path } of target.list('streams', task)) {
    if (/\.json$/.test(path) && !isReleasesPath(path)) paths.push(path);
  }
  const texts = (await target.readMany(paths, task)).map((content) => new TextDecoder().decode(content));
  return new Set(texts.flatMap((text) => text.match(/\b\d{8}_\d{2,}\b/g) ?? []));
}

/** Writes what a prune remembers; nothing when that is what is there. @throws NightlyError `target-moved`. */
export async function writeRetired(before: RetiredFile, after: RetiredFile, target: Target, task: Task): Promise<void> {
  await updateRecord(
    { path: RETIRED_PATH, format: RETIRED },
    (old) => {
      const now = filled(old);
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

/** @throws NightlyError `ostree` when it is damaged: what was given up or promoted is not known then (I8). */
function remembered<Value>(
  content: Uint8Array | undefined,
  format: RecordFormat<Value>,
  path: string,
  target: Target,
): Value | undefined {
  try {
    return content && readRecord(content, format, path);
  } catch (error) {
    throw refusal(target, error instanceof Error ? error.message.replace(/\.$/, '') : String(error), error);
  }
}

/** One from before some of it was kept has less. */
function filled(file: Partial<RetiredFile> | undefined): RetiredFile {
  return { commits: {}, apart: {}, builds: {}, ...file };
}

function refusal(target: Target, why: string, cause?: unknown): NightlyError {
  return new NightlyError('ostree', `Target "${target.name}" is not pruned, for ${why}. Nothing was removed.`, {
    hint: `Look at it with "atomic-nightly verify ${target.name}" and repair it first.`,
    cause,
  });
}
