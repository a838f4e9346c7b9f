import { signaturePacketsIn } from '../../base/openpgp-packets.ts';
import { type RecordFormat, readRecord } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { localObjects, parseCommit } from '../../ostree/objects.ts';
import { signatureName } from '../../published/paths.ts';
import type { RecordTrust } from '../../published/record-trust.ts';
import type { PromotedFile, RetiredFile } from '../../published/retired.ts';
import type { Target } from '../../targets/target.ts';
import { isCommitOfOurs } from '../vouched-commits.ts';

/**
 * What prunes and promotions remember on a target (`retired.json`, `promoted.json`) decides what is deleted, so it is signed
 * where the streams sign. An earlier version wrote both without a signature. That is a legitimate state, and cannot be told from
 * what somebody else put there; so of a file that nobody vouches for holds, each time until a signed one takes its place:
 *   - `promoted.json`: all it names is kept (it can only keep); what is signed in its place has, of that, the commits that the
 *     local repository has or that one of the keys signed;
 *   - `retired.json`: only commits that the local repository has, with the same tree, and their grace begins again; marks of
 *     builds, which only say that there is nothing left to delete.
 */

/** What was read of such a file. */
export interface Remembered<Value> {
  readonly value: Value | undefined;
  /** Whether somebody vouches for it; so does nobody's file of a target that needs no signatures. */
  readonly isKnown: boolean;
}

/** Reads one. @throws NightlyError `record` when it is damaged. */
export async function readRemembered<Value>(
  { path, content, signature }: { path: string; content: Uint8Array | undefined; signature: Uint8Array | undefined },
  format: RecordFormat<Value>,
  trust: RecordTrust | undefined,
): Promise<Remembered<Value>> {
  const value = content && readRecord(content, format, path);
  const isKnown = !content || !trust || (await trust.vouches(path, content, signaturePacketsIn(signature)));
  return { value, isKnown };
}

/** Paths of such files, each with its signature. */
export const withSignatures = (paths: readonly string[]): string[] =>
  paths.flatMap((path) => [path, signatureName(path)]);

/** Returns what of an unsigned `retired.json` holds: see above. @param now seconds since the epoch */
export async function adoptRetired(file: RetiredFile, repo: string, now: number): Promise<RetiredFile> {
  const local = localObjects(repo);
  const since = new Date(now * 1000).toISOString();
  const commits: Record<string, RetiredFile['commits'][string]> = {};
  const apart: Record<string, string> = {};
  for (const [checksum, { ref }] of Object.entries(file.commits)) {
    const bytes = await local(checksum, 'commit');
    if (!bytes) continue;
    const { timestamp, version, rootTree: tree, rootMeta: meta } = parseCommit(checksum, bytes);
    commits[checksum] = { ref, ...(version === undefined ? {} : { version }), timestamp, since, tree, meta };
  }
  for (const [checksum, ref] of Object.entries(file.apart)) {
    if (await local(checksum, 'commit')) apart[checksum] = ref;
  }
  return { commits, apart, builds: file.builds };
}

/** Returns what of an unsigned `promoted.json` may be signed: see above. */
export async function adoptPromoted(
  { commits }: PromotedFile,
  places: { readonly target: Target; readonly trust: RecordTrust },
  task: Task,
): Promise<PromotedFile> {
  const adopted: Record<string, PromotedFile['commits'][string]> = {};
  for (const [checksum, entry] of Object.entries(commits)) {
    if (await isCommitOfOurs(checksum, places, task)) adopted[checksum] = entry;
  }
  return { commits: adopted };
}
