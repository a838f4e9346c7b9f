/**
 * Where a repository keeps static deltas and their indexes, relative to it (ostree-core.c,
 * `_ostree_get_relative_static_delta_path` and `…_index_path`): by checksums in base64 with `_` for `/`.
 */

/** Folder of the delta between two commits; without `from`, of the one from scratch. */
export function deltaPath(from: string | undefined, to: string): string {
  const [first, rest] = from === undefined ? split(to) : split(from);
  return `deltas/${first}/${rest}${from === undefined ? '' : `-${base64(to)}`}`;
}

/** Returns the file that names all deltas to a commit; clients look nowhere else for them. */
export function deltaIndexPath(to: string): string {
  const [first, rest] = split(to);
  return `delta-indexes/${first}/${rest}.index`;
}

function split(checksum: string): [string, string] {
  const text = base64(checksum);
  return [text.slice(0, 2), text.slice(2)];
}

function base64(checksum: string): string {
  return Buffer.from(checksum, 'hex').toString('base64').replaceAll('/', '_').replace(/=+$/, '');
}
