import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { sha256, writeFileAtomic } from '../base/files.ts';
import { asArray, decodeVariant, encodeVariant, swap64, type Variant, variantMap } from './gvariant.ts';
import { COMMIT_FORMAT, localObjects, objectPath } from './objects.ts';

export interface CommitChanges {
  /** Checksum; undefined: none. */
  readonly parent: string | undefined;
  /** Seconds since the epoch. */
  readonly timestamp: number;
  /** Replaces or adds metadata; undefined takes it out. All other metadata stays as it is. */
  readonly metadata: Readonly<Record<string, Variant | undefined>>;
  /** Dirtree of another root folder; undefined: the tree stays. */
  readonly rootTree?: string | undefined;
}

/**
 * Returns a commit object with the same subject as another, but another parent, time, some other metadata and, if asked for,
 * another tree.
 * Equal arguments give equal bytes, so a repetition gives the same commit.
 * @throws Error when the bytes are no commit.
 */
export function rewriteCommit(bytes: Uint8Array, { parent, timestamp, metadata, rootTree }: CommitChanges): Uint8Array {
  const [before, , related = [], subject = '', body = '', , tree = [], rootMeta = []] = asArray(
    decodeVariant(COMMIT_FORMAT, bytes),
  );
  const entries = new Map(variantMap(before ?? []));
  for (const [key, value] of Object.entries(metadata)) {
    if (value === undefined) entries.delete(key);
    else entries.set(key, value);
  }
  return encodeVariant(COMMIT_FORMAT, [
    [...entries].map(([key, value]) => [key, value]),
    Buffer.from(parent ?? '', 'hex'),
    related,
    subject,
    body,
    swap64(BigInt(timestamp)),
    rootTree === undefined ? tree : Buffer.from(rootTree, 'hex'),
    rootMeta,
  ]);
}

/**
 * Writes such a commit into the local repository, beside the one it is made from; no ref moves.
 * @returns the new commit
 * @throws NightlyError `ostree` when `source` is not here as a whole.
 */
export async function writeRewritten(repo: string, source: string, changes: CommitChanges): Promise<string> {
  const bytes = await localObjects(repo)(source, 'commit');
  if (!bytes || existsSync(join(repo, 'state', `${source}.commitpartial`))) {
    throw new NightlyError('ostree', `The commit ${source} is not in ${repo} as a whole.`, {
      hint: `Pull it: "ostree pull --repo=${repo} REMOTE ${source}".`,
    });
  }
  const next = rewriteCommit(bytes, changes);
  const commit = sha256(next);
  await writeFileAtomic(join(repo, objectPath(commit, 'commit')), next);
  return commit;
}
