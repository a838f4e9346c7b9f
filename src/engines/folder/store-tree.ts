import { existsSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder, sha256 } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { encodeVariant } from '../../ostree/gvariant.ts';
import { DIRTREE_FORMAT, localObjects, objectPath, parseCommit, parseDirTree } from '../../ostree/objects.ts';
import { storeFolder } from '../../programs/ostree-store.ts';
import { type FileIndex, openFileIndex, writeFileIndex } from './file-index.ts';
import { changedMeanwhile, type Scan } from './scan-folder.ts';
import type { Owner, Placed } from './tree-plan.ts';
import { labelling, type TreePolicy } from './tree-policy.ts';

/** Root of a stored tree: checksums of its dirtree and dirmeta. */
export interface StoredTree {
  readonly tree: string;
  readonly meta: string;
}

interface StoreRequest {
  /** A bare-user repository. */
  readonly repo: string;
  readonly scan: Scan;
  readonly placed: readonly Placed[];
  /** A folder with files that are added, with paths as in the tree. */
  readonly added?: string;
  readonly policy: TreePolicy | undefined;
  readonly scratchDir: string;
}

/** What became of paths in a folder: objects of files, and dirmeta of folders. */
interface Objects {
  readonly files: Map<string, string>;
  readonly folders: Map<string, string>;
}

/**
 * Stores a folder's files as objects and puts a tree together of them, so that it can differ from the folder: in places,
 * in owners, in what it has more or less. The folder is only read, and only what changed since the last time is.
 */
export async function storeTree(request: StoreRequest, task: Task): Promise<StoredTree> {
  const { repo, scan, placed, policy } = request;
  const settings = sha256(JSON.stringify([policy?.digest ?? null, scan.root]));
  const objects = await storeFiles(request, await openFileIndex(repo, settings), task);
  const nodes = new Map<string, Node>();
  for (const { entry, path } of placed) {
    const isFolder = entry.kind === 'folder';
    const checksum = (isFolder ? objects.folders : objects.files).get(entry.path);
    if (checksum === undefined) throw changedMeanwhile(scan.root + entry.path);
    if (isFolder) nodeAt(nodes, path).meta = checksum;
    else nodeAt(nodes, dirname(path)).files.push([basenameOf(path), checksum]);
    if (isFolder && path !== '/') nodeAt(nodes, dirname(path)).folders.add(basenameOf(path));
  }
  if (request.added !== undefined) await addFiles(request, request.added, nodes, task);
  const root = await writeNode(repo, nodes, '/');
  // The owner is part of an object: only what nobody mapped is what its file is by itself.
  const own = new Map(placed.filter(isOwn).flatMap(({ entry: { path } }) => pick(objects.files, path)));
  await writeFileIndex(repo, settings, scan, own);
  return root;
}

const pick = (map: ReadonlyMap<string, string>, key: string): [string, string][] => {
  const value = map.get(key);
  return value === undefined ? [] : [[key, value]];
};

function isOwn({ entry: { stat }, uid, gid }: Placed): boolean {
  return Number(stat.uid) === uid && Number(stat.gid) === gid;
}

/** ostree gives one owner to all that it stores, or leaves theirs: so each owner is a commit of its own. */
async function storeFiles(request: StoreRequest, index: FileIndex, task: Task): Promise<Objects> {
  const { repo, scan, placed, policy, scratchDir } = request;
  const objects: Objects = { files: new Map(), folders: new Map() };
  const groups = new Map<string, { readonly owner: Owner | undefined; readonly members: Placed[] }>();
  for (const one of placed) {
    const own = isOwn(one);
    const object = own && one.entry.kind !== 'folder' ? index.lookUp(one.entry) : undefined;
    if (object !== undefined) {
      objects.files.set(one.entry.path, object);
      continue;
    }
    const key = own ? '' : `${one.uid}:${one.gid}`;
    const group = groups.get(key) ?? { owner: own ? undefined : { uid: one.uid, gid: one.gid }, members: [] };
    group.members.push(one);
    groups.set(key, group);
  }
  const modes = join(scratchDir, 'modes');
  // Of whatever mode the folder itself is: everybody may look into the root of a host.
  await writeFile(modes, `=${0o755} /\n`);
  for (const { owner, members } of groups.values()) {
    const wanted = new Set(members.map(({ entry }) => entry.path));
    const skip = join(scratchDir, 'skip');
    const others = scan.entries.filter(({ path, kind }) => kind !== 'folder' && !wanted.has(path));
    // What is not left out is stored in vain and no more; the rest of a name after a line break might be a wanted path.
    const lines = others.filter(({ path }) => !path.includes('\n')).map(({ path }) => `${path}\n`);
    await writeFile(skip, lines.join(''));
    const commit = await storeFolder({ repo, skip, modes, folder: scan.root, owner, labels: labelling(policy) }, task);
    const stored = await readStored(repo, commit);
    for (const { entry } of members) {
      const from = entry.kind === 'folder' ? stored.folders : stored.files;
      const into = entry.kind === 'folder' ? objects.folders : objects.files;
      const checksum = from.get(entry.path);
      if (checksum !== undefined) into.set(entry.path, checksum);
    }
  }
  return objects;
}

/** Lists the objects of a commit by path. */
export async function readStored(repo: string, commit: string): Promise<Objects> {
  const read = localObjects(repo);
  const bytes = await read(commit, 'commit');
  if (!bytes) throw new NightlyError('ostree', `The commit ${commit} that ostree just made is not in ${repo}.`);
  const { rootTree, rootMeta } = parseCommit(commit, bytes);
  const found: Objects = { files: new Map(), folders: new Map([['/', rootMeta]]) };
  const todo = [{ path: '', tree: rootTree }];
  for (let folder = todo.pop(); folder; folder = todo.pop()) {
    const content = await read(folder.tree, 'dirtree');
    if (!content)
      throw new NightlyError('ostree', `The dirtree ${folder.tree} that ostree just made is not in ${repo}.`);
    const { files, folders } = parseDirTree(folder.tree, content);
    for (const { name, checksum } of files) found.files.set(`${folder.path}/${name}`, checksum);
    for (const { name, tree, meta } of folders) {
      found.folders.set(`${folder.path}/${name}`, meta);
      todo.push({ path: `${folder.path}/${name}`, tree });
    }
  }
  return found;
}

/** A folder of the tree that is put together. */
interface Node {
  meta: string | undefined;
  readonly files: [name: string, checksum: string][];
  readonly folders: Set<string>;
}

function nodeAt(nodes: Map<string, Node>, path: string): Node {
  const node = nodes.get(path) ?? { meta: undefined, files: [], folders: new Set() };
  nodes.set(path, node);
  return node;
}

/** Adds files of ours, in folders that the tree has already or that are like them. */
async function addFiles(
  { repo, policy, scratchDir }: StoreRequest,
  folder: string,
  nodes: Map<string, Node>,
  task: Task,
): Promise<void> {
  const [skip, modes] = [join(scratchDir, 'skip'), join(scratchDir, 'modes')];
  await writeFile(skip, '');
  const owner = { uid: 0, gid: 0 };
  const stored = await readStored(
    repo,
    await storeFolder({ repo, folder, skip, modes, owner, labels: labelling(policy) }, task),
  );
  for (const [path, meta] of stored.folders) {
    if (path !== '/' && nodes.get(dirname(path))?.files.some(([name]) => name === basenameOf(path))) {
      throw new NightlyError(
        'compose',
        `${path} is not a folder in the tree, and what hosts make of its /var is said in there.`,
        {
          hint: 'Put a folder in its place, or empty /var.',
        },
      );
    }
    nodeAt(nodes, path).meta ??= meta;
    if (path !== '/') nodeAt(nodes, dirname(path)).folders.add(basenameOf(path));
  }
  for (const [path, checksum] of stored.files) {
    const { files } = nodeAt(nodes, dirname(path));
    const there = files.findIndex(([name]) => name === basenameOf(path));
    files.splice(there < 0 ? files.length : there, 1, [basenameOf(path), checksum]);
  }
}

/** Writes the dirtree of a folder after those of the folders in it. */
async function writeNode(repo: string, nodes: ReadonlyMap<string, Node>, path: string): Promise<StoredTree> {
  const node = nodes.get(path);
  if (node?.meta === undefined) throw new NightlyError('bug', `The folder ${path} of the tree was not stored.`);
  const folders: [string, Uint8Array, Uint8Array][] = [];
  for (const name of [...node.folders].sort(byBytes)) {
    const { tree, meta } = await writeNode(repo, nodes, path === '/' ? `/${name}` : `${path}/${name}`);
    folders.push([name, Buffer.from(tree, 'hex'), Buffer.from(meta, 'hex')]);
  }
  const files = node.files.toSorted(([a], [b]) => byBytes(a, b));
  const bytes = encodeVariant(DIRTREE_FORMAT, [
    files.map(([name, checksum]) => [name, Buffer.from(checksum, 'hex')]),
    folders,
  ]);
  const tree = sha256(bytes);
  const target = join(repo, objectPath(tree, 'dirtree'));
  if (!existsSync(target)) {
    await makeFolder(dirname(target));
    await writeFile(`${target}.tmp`, bytes);
    await rename(`${target}.tmp`, target);
  }
  return { tree, meta: node.meta };
}

/** ostree sorts names by their bytes. */
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

const basenameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
