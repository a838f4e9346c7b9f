import { join } from 'node:path';
import { bytesIfThere, writeFileAtomic } from '../base/files.ts';
import { decodeVariant, encodeVariant, type Variant, type VariantValue, variantMap } from './gvariant.ts';
import { objectPath } from './objects.ts';

/**
 * A commit's detached metadata: a dictionary beside it (`.commitmeta`) that may change without the commit's name, and that
 * no signature covers. It also holds the commit's signatures.
 */
const FORMAT = 'a{sv}';

/** Returns the detached metadata of a commit in a repository; undefined when it has none. */
export async function readDetached(repo: string, commit: string): Promise<Uint8Array | undefined> {
  return bytesIfThere(join(repo, objectPath(commit, 'commitmeta')));
}

/** Adds to a commit's detached metadata; what is there under other keys stays. Equal metadata gives equal bytes. */
export async function addDetached(
  repo: string,
  commit: string,
  added: Readonly<Record<string, Variant>>,
): Promise<void> {
  if (Object.keys(added).length === 0) return;
  const path = join(repo, objectPath(commit, 'commitmeta'));
  const before = await bytesIfThere(path);
  const entries = before ? variantMap(decodeVariant(FORMAT, before)) : new Map<string, Variant>();
  for (const [key, value] of Object.entries(added)) entries.set(key, value);
  const bytes = encodeVariant(
    FORMAT,
    [...entries].map(([key, value]): VariantValue => [key, value]),
  );
  if (!before || Buffer.compare(before, bytes) !== 0) await writeFileAtomic(path, bytes);
}
