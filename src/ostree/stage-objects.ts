import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { NightlyError } from '../base/errors.ts';
import { isErrno, makeFolder, makeFolderSync, sha256, withTemporaryFolder } from '../base/files.ts';
import { linkOrCopySync } from '../base/link-or-copy.ts';
import type { Task } from '../base/task.ts';
import { initRepo, pullLocal, setCoreOption } from '../programs/ostree.ts';
import { checksumList } from './checksums.ts';
import { filezChecksum } from './filez.ts';
import { encodeVariant, swap64 } from './gvariant.ts';
import type { LocalRepo } from './local-repo.ts';
import { COMMIT_FORMAT, DIRTREE_FORMAT, type MetadataType, objectPath } from './objects.ts';
import type { NewObject } from './tree-walk.ts';

/**
 * Puts some objects of a repository of any mode into an archive repository, and yields each once it is there: content is
 * checked against its checksum on the way, as it comes from a repository that others keep.
 * @throws NightlyError `ostree` when one is missing or damaged.
 */
export async function* stageObjects(
  source: LocalRepo,
  staging: string,
  objects: AsyncIterable<NewObject>,
  task: Task,
): AsyncGenerator<NewObject> {
  if (source.mode === 'archive') {
    let count = 0;
    for await (const object of objects) {
      task.signal.throwIfAborted();
      place(source, staging, object.path);
      if (object.type === 'filez' && (await filezChecksum(join(staging, object.path))) !== object.checksum) {
        throw damaged(source, object.path);
      }
      count += 1;
      if (count % 200 === 0) await nextTurn();
      yield object;
    }
    return;
  }
  const content = checksumList();
  const others: NewObject[] = [];
  for await (const object of objects) {
    task.signal.throwIfAborted();
    if (object.type === 'filez') content.push(object.checksum);
    else others.push(object);
  }
  await compress(source, staging, content, task);
  for (const checksum of content) yield { checksum, type: 'filez', path: objectPath(checksum, 'filez') };
  for (const object of others) {
    place(source, staging, object.path);
    yield object;
  }
}

/** Gives a file a second name in the staging repository, or copies it where that cannot be. */
function place(source: LocalRepo, staging: string, path: string): void {
  const [from, to] = [join(source.path, path), join(staging, path)];
  try {
    makeFolderSync(dirname(to));
    linkOrCopySync(from, to);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return;
    if (!isErrno(error, 'ENOENT')) throw error;
    throw new NightlyError('ostree', `The commit to push is not whole: ${source.path} lacks ${path}.`, {
      hint: `Run "ostree fsck --repo=${source.path}", and pull or commit it again.`,
      cause: error,
    });
  }
}

/** Content objects in one folder of the commit below. */
const TOGETHER = 10_000;

/**
 * Has ostree itself compress content objects of a bare repository, and only those: it copies a commit of nobody's that has
 * each as a file, in a repository whose parent (`core.parent`) is the source. Nothing is written to the source.
 */
async function compress(
  source: LocalRepo,
  staging: string,
  content: Iterable<string> & { readonly length: number },
  task: Task,
): Promise<void> {
  if (content.length === 0) return;
  await withTemporaryFolder(async (folder) => {
    const repo = join(folder, 'repo');
    await initRepo(repo, source.mode, task);
    await setCoreOption(repo, 'parent', source.path, task);
    const meta = await store(repo, 'dirmeta', encodeVariant('(uuua(ayay))', [0, 0, FOLDER_MODE, []]));
    const folders: (readonly [string, Uint8Array, Uint8Array])[] = [];
    const sorted = [...content].sort();
    for (let at = 0; at < sorted.length; at += TOGETHER) {
      const files = sorted.slice(at, at + TOGETHER).map((checksum) => [checksum, Buffer.from(checksum, 'hex')]);
      const tree = await store(repo, 'dirtree', encodeVariant(DIRTREE_FORMAT, [files, []]));
      folders.push([String(folders.length).padStart(6, '0'), tree, meta]);
    }
    const root = await store(repo, 'dirtree', encodeVariant(DIRTREE_FORMAT, [[], folders]));
    const fields = [[], new Uint8Array(), [], '', '', swap64(0n), root, meta];
    const commit = await store(repo, 'commit', encodeVariant(COMMIT_FORMAT, fields));
    await pullLocal({ from: repo, to: staging, commit: commit.toString('hex') }, task);
  }, dirname(staging));
}

/** 040755, as a number in network order that was read in the other. */
const FOLDER_MODE = 0xed41_0000;

async function store(repo: string, type: MetadataType, bytes: Uint8Array): Promise<Buffer> {
  const checksum = sha256(bytes);
  const path = join(repo, objectPath(checksum, type));
  await makeFolder(dirname(path));
  await writeFile(path, bytes);
  return Buffer.from(checksum, 'hex');
}

function damaged(source: LocalRepo, path: string): NightlyError {
  return new NightlyError('ostree', `${path} in ${source.path} is damaged: its content has another checksum.`, {
    hint: `Run "ostree fsck --repo=${source.path}"; nothing was sent.`,
  });
}
