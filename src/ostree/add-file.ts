import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { NightlyError } from '../base/errors.ts';
import { sha256, writeFileAtomic } from '../base/files.ts';
import { asArray, decodeVariant, encodeVariant, swap64, type VariantValue } from './gvariant.ts';
import { DIRTREE_FORMAT, type DirTree, localObjects, objectPath, parseDirTree } from './objects.ts';

/** A file that is put into a stored tree. */
export interface AddedFile {
  /** Absolute in the tree. */
  readonly path: string;
  readonly content: Uint8Array;
  /**
   * Path of a file in the tree whose owner, mode and extended attributes (its SELinux label) the new one gets; root's, with mode
   * 0644 and without attributes where the tree has no such file.
   */
  readonly like: string;
}

/** Root of a stored tree: checksums of its dirtree and dirmeta. */
export interface TreeRoot {
  readonly tree: string;
  readonly meta: string;
}

/** The header of a stored file: owner, group, mode and device (big-endian), symlink target, extended attributes. */
const HEADER = '(uuuusa(ayay))';
/** The same with the size in front, as a compressed file has it. */
const SIZED_HEADER = '(tuuuusa(ayay))';

/** 0100644, big-endian. */
const PLAIN_HEADER: readonly VariantValue[] = [0, 0, 0xa4810000, 0, '', []];

/**
 * Writes the tree of an archive repository anew with one file more, or another in its place. Folders on the way that the tree
 * does not have get owner, mode and attributes of the folder they are in.
 * @returns the dirtree of its root
 * @throws NightlyError `ostree` when an object is not there, or something else has the path of a folder or of the file.
 */
export async function addFile(repo: string, root: TreeRoot, { path, content, like }: AddedFile): Promise<string> {
  const header = (await headerOf(repo, root.tree, like)) ?? PLAIN_HEADER;
  return insertFile(repo, root, path, await writeContent(repo, header, content));
}

/** The same with a file that is stored already, by its checksum; in a repository of any mode. */
export async function insertFile(repo: string, root: TreeRoot, path: string, checksum: string): Promise<string> {
  return insert(repo, root, path.split('/').slice(1), checksum);
}

async function folderAt(repo: string, checksum: string): Promise<DirTree> {
  const bytes = await localObjects(repo)(checksum, 'dirtree');
  if (bytes) return parseDirTree(checksum, bytes);
  throw new NightlyError('ostree', `The dirtree ${checksum} is not in ${repo}.`, {
    hint: 'Run "ostree fsck" on that repository, then run again.',
  });
}

async function insert(repo: string, at: TreeRoot, parts: readonly string[], checksum: string): Promise<string> {
  const [name = '', ...rest] = parts;
  const { files, folders } = at.tree === '' ? { files: [], folders: [] } : await folderAt(repo, at.tree);
  const other = rest.length === 0 ? folders : files;
  if (other.some((one) => one.name === name)) {
    throw new NightlyError('ostree', `"${name}" of the tree is of another kind than what goes there.`);
  }
  if (rest.length === 0) {
    return writeFolder(repo, { files: [...files.filter((one) => one.name !== name), { name, checksum }], folders });
  }
  const { tree = '', meta = at.meta } = folders.find((one) => one.name === name) ?? {};
  const inner = await insert(repo, { tree, meta }, rest, checksum);
  return writeFolder(repo, {
    files,
    folders: [...folders.filter((one) => one.name !== name), { name, tree: inner, meta }],
  });
}

/** ostree sorts names by their bytes. */
const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));

async function writeFolder(repo: string, { files, folders }: DirTree): Promise<string> {
  const bytes = encodeVariant(DIRTREE_FORMAT, [
    files.toSorted(byName).map(({ name, checksum }) => [name, Buffer.from(checksum, 'hex')]),
    folders.toSorted(byName).map(({ name, tree, meta }) => [name, Buffer.from(tree, 'hex'), Buffer.from(meta, 'hex')]),
  ]);
  const checksum = sha256(bytes);
  const file = join(repo, objectPath(checksum, 'dirtree'));
  if (!existsSync(file)) await writeFileAtomic(file, bytes);
  return checksum;
}

/** Header of a file of the tree, without its size; undefined when there is no such file. */
async function headerOf(repo: string, root: string, path: string): Promise<readonly VariantValue[] | undefined> {
  const parts = path.split('/').slice(1);
  let folder = await folderAt(repo, root);
  for (const name of parts.slice(0, -1)) {
    const next = folder.folders.find((one) => one.name === name);
    if (next === undefined) return undefined;
    folder = await folderAt(repo, next.tree);
  }
  const file = folder.files.find(({ name }) => name === parts.at(-1));
  if (file === undefined) return undefined;
  const stored = await readFile(join(repo, objectPath(file.checksum, 'filez')));
  const [, ...header] = asArray(decodeVariant(SIZED_HEADER, stored.subarray(8, 8 + stored.readUInt32BE(0))));
  return header;
}

/**
 * Stores a file as an archive repository keeps it: compressed, behind its header. The name is the digest of header and content
 * (ostree-core.c, `ostree_checksum_file_from_input` and `_ostree_zlib_file_header_new`).
 */
async function writeContent(repo: string, header: readonly VariantValue[], content: Uint8Array): Promise<string> {
  const checksum = sha256(Buffer.concat([framed(encodeVariant(HEADER, header)), content]));
  const file = join(repo, objectPath(checksum, 'filez'));
  if (existsSync(file)) return checksum;
  const sized = encodeVariant(SIZED_HEADER, [swap64(BigInt(content.length)), ...header]);
  await writeFileAtomic(file, Buffer.concat([framed(sized), deflateRawSync(content)]));
  return checksum;
}

/** A header behind its length (32 bits, big-endian) and four zero bytes. */
function framed(header: Uint8Array): Uint8Array {
  const start = Buffer.alloc(8);
  start.writeUInt32BE(header.length, 0);
  return Buffer.concat([start, header]);
}
