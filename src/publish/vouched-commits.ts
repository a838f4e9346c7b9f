import { NightlyError } from '../base/errors.ts';
import { sha256 } from '../base/files.ts';
import { oneLine } from '../base/one-line.ts';
import type { Task } from '../base/task.ts';
import { signaturesIn } from '../ostree/commit-signatures.ts';
import { localObjects, objectPath, parseCommit, readRef } from '../ostree/objects.ts';
import type { RecordTrust } from '../published/record-trust.ts';
import type { Links, Target } from '../targets/target.ts';
import { refBehind } from './alias-refs.ts';
import { fetchCommit } from './published-objects.ts';

/** Whether a target has a commit that this machine has too, or that one of the keys signed. */
export async function isCommitOfOurs(
  checksum: string,
  { target, trust }: { readonly target: Target; readonly trust: Pick<RecordTrust, 'vouches'> },
  task: Task,
): Promise<boolean> {
  const path = `repo/${objectPath(checksum, 'commit')}`;
  const [bytes, meta] = await target.readMany([path, `repo/${objectPath(checksum, 'commitmeta')}`], task);
  return (
    bytes !== undefined && sha256(bytes) === checksum && trust.vouches(path, bytes, meta ? signaturesIn(meta) : [])
  );
}

/**
 * Returns refs of a summary that nobody vouches for, with their commits, as far as commits that are ours or signed say the same: of
 * one that this machine has as well, the commit must be of the same line.
 * @throws NightlyError `verify`, naming the others: a summary without them would hide them from their clients
 */
export async function vouchedRefs(
  refs: readonly (readonly [string, string])[],
  {
    repo,
    target,
    trust,
    links,
  }: {
    readonly repo: string;
    readonly target: Target;
    readonly trust: Pick<RecordTrust, 'vouches'>;
    readonly links: Links;
  },
  task: Task,
): Promise<(readonly [string, string])[]> {
  const others: string[] = [];
  for (const [ref, commit] of refs) {
    const name = refBehind(ref, links) ?? ref;
    const isKnown =
      (await isCommitOfOurs(commit, { target, trust }, task)) && (await fits(name, commit, repo, target, task));
    if (!isKnown) others.push(ref);
  }
  if (others.length === 0) return [...refs];
  throw new NightlyError(
    'verify',
    `The summary on target "${target.name}" has no good signature, and nobody vouches for what it says of ${others.map(oneLine).join(', ')}: it gets no signature from here.`,
    {
      hint: 'Find out who wrote it. If these refs do not belong there, remove repo/summary there and run "atomic-nightly publish --reconcile"; if they do, sign the summary there with a key of the stream ("ostree summary --gpg-sign").',
    },
  );
}

async function fits(ref: string, commit: string, repo: string, target: Target, task: Task): Promise<boolean> {
  const { refBindings } = await fetchCommit(repo, commit, target, task);
  if (refBindings !== undefined && !refBindings.includes(ref)) return false;
  const here = await readRef(repo, ref);
  if (here === undefined) return true;
  return (await isInLine(here, commit, repo)) || (await isInLine(commit, here, repo));
}

/** Whether a commit is another, or one of those before it, as far as they are here. */
async function isInLine(from: string, wanted: string, repo: string): Promise<boolean> {
  const read = localObjects(repo);
  for (let at: string | undefined = from; at !== undefined; ) {
    if (at === wanted) return true;
    const bytes: Uint8Array | undefined = await read(at, 'commit');
    at = bytes && parseCommit(at, bytes).parent;
  }
  return false;
}
