import { NightlyError } from '../../base/errors.ts';
import { oneLine } from '../../base/one-line.ts';
import { signaturePacketsIn } from '../../base/openpgp-packets.ts';
import type { RecordFormat } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { signaturesIn } from '../../ostree/commit-signatures.ts';
import { isChecksum } from '../../ostree/objects.ts';
import { isRef } from '../../ostree/ref.ts';
import { NOT_SIGNED, type PruneSigning, type RecordTrust } from '../../published/record-trust.ts';
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
import { adoptRetired, type Remembered, readRemembered, withSignatures } from './remembered.ts';

/** What the state of a target is judged by. */
export interface StateRequest {
  /** False: images are published there and no commits, so there may be neither summary nor refs. */
  readonly hasTree?: boolean | undefined;
  /** Judges the summary and what a prune remembers; without it, all is believed. */
  readonly trust?: RecordTrust | undefined;
  /** The local repository. */
  readonly repo: string;
  /** Seconds since the epoch. */
  readonly now: number;
}

export interface TargetState {
  /** Every ref with the commits it names: two while a publish is between ref and summary. */
  readonly refs: ReadonlyMap<string, readonly string[]>;
  readonly promoted: PromotedFile['commits'];
  /** The file as far as it counts: of one that nobody vouches for, what may be adopted. */
  readonly retired: RetiredFile;
  /** Builds that pointers lead readers to; known only of targets without a tree. */
  readonly linkedBuilds: ReadonlySet<string>;
}

/**
 * Reads what decides about a target's commits. Refs are those of the summary and of the files under `repo/refs`.
 * @throws NightlyError `ostree` when the summary is missing or damaged or there are no refs, `unsupported` for a JSON
 *   file that is none.
 */
export async function readTargetState(
  target: Target,
  { hasTree = true, trust, repo, now }: StateRequest,
  task: Task,
): Promise<TargetState> {
  const paths = [...withSignatures([RETIRED_PATH, PROMOTED_PATH]), 'repo/summary', 'repo/summary.sig'];
  const [retired, retiredSignature, promoted, promotedSignature, summary, signature] = await target.readMany(
    paths,
    task,
  );
  const refs = new Map<string, string[]>();
  const add = (ref: string, commit: string): void => {
    if (!isRef(ref)) throw refusal(target, `"${oneLine(ref)}" is not the name of a ref`);
    if (!isChecksum(commit))
      throw refusal(target, `its ref ${ref} ${commit === '' ? 'is empty' : 'does not hold a commit'}`);
    refs.set(ref, [...new Set([...(refs.get(ref) ?? []), commit])]);
  };
  if (!summary && hasTree) throw refusal(target, 'it has no repo/summary');
  if (summary?.length === 0) throw refusal(target, 'its repo/summary is empty');
  const signatures = signature ? signaturesIn(signature) : [];
  if (summary && trust && !(await trust.vouches('repo/summary', summary, signatures)))
    throw refusal(target, 'its repo/summary has no good signature by a key of a stream that publishes there');
  if (summary) for (const [ref, commit] of refsOf(summary, target)) add(ref, commit);
  const files: string[] = [];
  for await (const { path } of target.list('repo/refs', task)) files.push(path);
  const contents = await target.readMany(files, task);
  files.forEach((path, index) => {
    const content = contents[index];
    // A file on its way, of a publisher that was killed (as directory.ts and rsync name them), is not a ref.
    if (content && !/\.\d+\.\d+\.tmp$|\/\.[^/]+\.\w{6}$/.test(path))
      add(refName(path), new TextDecoder().decode(content).trim());
  });
  if (refs.size === 0 && hasTree) throw refusal(target, 'it has no refs');
  const retiredFile = { path: RETIRED_PATH, content: retired, signature: retiredSignature };
  const promotedFile = { path: PROMOTED_PATH, content: promoted, signature: promotedSignature };
  const before = await remembered(retiredFile, RETIRED, trust, target);
  return {
    refs,
    promoted: (await remembered(promotedFile, PROMOTED, trust, target)).value?.commits ?? {},
    linkedBuilds: hasTree ? new Set() : await buildsLinkedFrom(target, trust, task),
    retired: before.isKnown ? filled(before.value) : await adoptRetired(filled(before.value), repo, now),
  };
}

/**
 * Returns the builds that files below `streams/` name, but for the index of releases, which names every one there was.
 */
async function buildsLinkedFrom(target: Target, trust: RecordTrust | undefined, task: Task): Promise<Set<string>> {
  const paths: string[] = [];
  for await (const { path } of target.list('streams', task)) {
    if (/\.json$/.test(path) && !isReleasesPath(path)) paths.push(path);
  }
  const contents = await target.readMany(withSignatures(paths), task);
  for (const [index, path] of paths.entries()) {
    const [content, signature] = [contents[2 * index], contents[2 * index + 1]];
    if (!content || !trust) continue;
    if (!(await trust.vouches(path, content, signaturePacketsIn(signature))))
      throw refusal(target, `${path} leads to builds and ${NOT_SIGNED.replace('it ', '')}`);
  }
  const texts = contents.map((content) => new TextDecoder().decode(content));
  return new Set(texts.flatMap((text) => text.match(/\b\d{8}_\d{2,}\b/g) ?? []));
}

/** Writes what a prune remembers; nothing when that is what is there. @throws NightlyError `target-moved`. */
export async function writeRetired(
  before: RetiredFile,
  after: RetiredFile,
  { target, signer, trust }: { readonly target: Target } & PruneSigning,
  task: Task,
): Promise<void> {
  const signing = signer && trust && { signer, trust, anew: async () => before };
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
    signing || undefined,
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
async function remembered<Value>(
  file: Parameters<typeof readRemembered>[0],
  format: RecordFormat<Value>,
  trust: RecordTrust | undefined,
  target: Target,
): Promise<Remembered<Value>> {
  try {
    return await readRemembered(file, format, trust);
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
