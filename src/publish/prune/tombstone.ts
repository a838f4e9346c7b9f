import { encodeVariant } from '../../ostree/gvariant.ts';

/**
 * Returns what ostree leaves in the place of a commit that was removed, where `core.tombstone-commits` is set: a client
 * that follows parents then knows that the history ends there and nothing is broken (ostree-core.c,
 * `ostree_repo_delete_object` and `write_tombstone`).
 */
export function tombstone(commit: string): Uint8Array {
  return encodeVariant('a{sv}', [['commit', { type: 'ay', value: Buffer.from(`${commit}\0`) }]]);
}

/** Returns where a repository keeps it, relative to it. */
export function tombstonePath(commit: string): string {
  return `objects/${commit.slice(0, 2)}/${commit.slice(2)}.tombstone-commit`;
}
