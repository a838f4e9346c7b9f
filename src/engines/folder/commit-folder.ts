import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256, writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { packageLists } from '../../ostree/commit-packages.ts';
import { encodeVariant, swap64, type Variant } from '../../ostree/gvariant.ts';
import { COMMIT_FORMAT, contentChecksumOf, objectPath } from '../../ostree/objects.ts';
import { createRef, pruneToRefs, pullLocal } from '../../programs/ostree.ts';
import type { ComposedFolder, FolderComposeRequest } from '../engine.ts';
import type { Phases } from '../phases.ts';
import { provenanceText } from '../provenance/provenance-format.ts';
import { addProvenance } from './add-provenance.ts';
import { type TreeComponents, treeComponents } from './components.ts';
import type { ProvenanceReport } from './provenance-report.ts';
import { cacheRepo, type TakenFolder } from './take-folder.ts';

/**
 * Makes the commit of a stored tree and copies it into the archive repository, which compresses what is new there. Equal
 * arguments give the same commit.
 */
async function commitFolder(
  request: FolderComposeRequest,
  { tree, meta, kver }: TakenFolder,
  { rpms, others }: TreeComponents,
  task: Task,
): Promise<{ readonly commit: string; readonly contentChecksum: string }> {
  const { cacheDir, parent, timestamp, bootable } = request;
  const text = (value: string): Variant => ({ type: 's', value });
  const refs = [request.ref, ...(request.alsoBound ?? [])].toSorted();
  const metadata: Record<string, Variant> = {
    version: text(request.version),
    'ostree.ref-binding': { type: 'as', value: refs },
    'rpmostree.inputhash': text(request.inputHash),
    // As "ostree commit --bootable" says it.
    ...(bootable ? { 'ostree.bootable': { type: 'b', value: true } } : {}),
    ...(bootable && kver !== undefined ? { 'ostree.linux': text(kver) } : {}),
    ...packageLists({ packages: rpms, others: others.length === 0 ? undefined : others }),
  };
  const bytes = encodeVariant(COMMIT_FORMAT, [
    Object.entries(metadata),
    Buffer.from(parent ?? '', 'hex'),
    [],
    '',
    '',
    swap64(BigInt(timestamp)),
    Buffer.from(tree, 'hex'),
    Buffer.from(meta, 'hex'),
  ]);
  const commit = sha256(bytes);
  const repo = cacheRepo(cacheDir);
  await writeFileAtomic(join(repo, objectPath(commit, 'commit')), bytes);
  try {
    await pullLocal({ from: repo, to: request.repo, commit }, task);
  } catch (error) {
    // Should the cache be what is broken, the next try starts with a new one; it costs that try some time at most.
    if (!task.signal.aborted) await rm(repo, { recursive: true, force: true });
    throw error;
  }
  // The next night shares most of its objects.
  await createRef(repo, 'last', commit, task);
  if ((await countCommits(repo)) > MOST_COMMITS) await pruneToRefs(repo, task);
  return { commit, contentChecksum: contentChecksumOf(tree, meta) };
}

/**
 * Looking for what nobody needs any more takes as long as a third of a build, so it is done every tenth time or so: each build
 * leaves two or three commits.
 */
const MOST_COMMITS = 30;

async function countCommits(repo: string): Promise<number> {
  const objects = join(repo, 'objects');
  const folders = await Promise.all((await readdir(objects)).map((name) => readdir(join(objects, name))));
  return folders.flat().filter((name) => name.endsWith('.commit')).length;
}

/** Makes the commit of a stored tree, with what is in it said in the tree and in the commit, as both engines end. */
export async function commitTaken(
  request: FolderComposeRequest,
  taken: TakenFolder,
  { report, phases }: { readonly report?: ProvenanceReport | undefined; readonly phases: Phases },
  task: Task,
): Promise<ComposedFolder> {
  const components = await treeComponents(taken.root, report, request, task);
  const whole = await addProvenance(taken, provenanceText(components.provenance), request, task);
  const made = await phases.time('commit', 'ostree', () => commitFolder(request, whole, components, task));
  return {
    ...made,
    kernel: taken.kver,
    initramfs: taken.kver === undefined ? 'none' : 'reused',
    phases: phases.list(),
    components: [...(components.rpms ?? []), ...components.others],
    provenance: report,
  };
}
