import { NightlyError } from '../base/errors.ts';
import { type DirTree, parseCommit, parseDirTree, type ReadObject } from './objects.ts';

/** A path that differs between two trees; that of a folder ends in `/` and means its owner, mode or attributes. */
export interface PathChange {
  /** Absolute in the tree. */
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
}

/** The same with the content objects of a file, as far as either tree has it. */
export interface ContentChange extends PathChange {
  readonly from?: string;
  readonly to?: string;
}

/** Checksums of a root's or folder's dirtree and dirmeta. */
interface Folder {
  readonly tree: string;
  readonly meta: string;
}

/**
 * Yields each path that differs between the trees of two commits, in the order of the folders. Equal folders are not entered.
 * @throws NightlyError `ostree` when one of the trees is not here as a whole.
 */
export async function* diffTrees(from: string, to: string, read: ReadObject): AsyncGenerator<ContentChange> {
  const root = async (checksum: string): Promise<Folder> => {
    const { rootTree, rootMeta } = parseCommit(checksum, await required(read, checksum, 'commit'));
    return { tree: rootTree, meta: rootMeta };
  };
  yield* diffFolders('/', await root(from), await root(to), read);
}

async function* diffFolders(
  path: string,
  from: Folder | undefined,
  to: Folder | undefined,
  read: ReadObject,
): AsyncGenerator<ContentChange> {
  if (from && to && from.meta !== to.meta) yield { path, kind: 'changed' };
  if (from?.tree === to?.tree) return;
  const [before, after] = [await contentOf(from, read), await contentOf(to, read)];
  yield* diffFiles(path, before, after);
  const olds = new Map(before.folders.map((folder) => [folder.name, folder]));
  const news = new Map(after.folders.map((folder) => [folder.name, folder]));
  for (const name of new Set([...olds.keys(), ...news.keys()])) {
    yield* diffFolders(`${path}${name}/`, olds.get(name), news.get(name), read);
  }
}

function* diffFiles(path: string, before: DirTree, after: DirTree): Generator<ContentChange> {
  const olds = new Map(before.files.map(({ name, checksum }) => [name, checksum]));
  for (const { name, checksum } of after.files) {
    const old = olds.get(name);
    olds.delete(name);
    if (old === undefined) yield { path: path + name, kind: 'added', to: checksum };
    else if (old !== checksum) yield { path: path + name, kind: 'changed', from: old, to: checksum };
  }
  for (const [name, from] of olds) yield { path: path + name, kind: 'removed', from };
}

async function contentOf(folder: Folder | undefined, read: ReadObject): Promise<DirTree> {
  if (!folder) return { files: [], folders: [] };
  return parseDirTree(folder.tree, await required(read, folder.tree, 'dirtree'));
}

async function required(read: ReadObject, checksum: string, type: 'commit' | 'dirtree'): Promise<Uint8Array> {
  const bytes = await read(checksum, type);
  if (bytes) return bytes;
  throw new NightlyError('ostree', `The ${type} ${checksum} is not in the local repository.`, {
    hint: 'It was built elsewhere or pruned since: "ostree pull" the commit it belongs to into work/repo as a whole.',
  });
}
