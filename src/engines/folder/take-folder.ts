import { existsSync, realpathSync, statSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { isErrno, makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { within } from '../../base/within.ts';
import { initRepo } from '../../programs/ostree.ts';
import type { FolderRequest } from '../engine.ts';
import { checkTree } from './check-tree.ts';
import { scanDigest, scanFolder } from './scan-folder.ts';
import { type StoredTree, storeTree } from './store-tree.ts';
import { readTreeNames } from './tree-names.ts';
import { planTree, type TreeSettings } from './tree-plan.ts';
import { type TreePolicy, treePolicy } from './tree-policy.ts';
import { writeVarTmpfiles } from './var-tmpfiles.ts';

export interface TakenFolder extends StoredTree {
  /** Absolute, without links. */
  readonly root: string;
  readonly kver?: string | undefined;
  /** The policy that labels its files. */
  readonly policy: TreePolicy | undefined;
  /** Digest of what the file system said of the folder: as long as it does, this is the tree of it. */
  readonly seen: string;
}

/** Where the objects of a stream's trees are put together: a bare-user repository, quick as nothing is compressed. */
export const cacheRepo = (cacheDir: string): string => join(cacheDir, 'tree-repo');

/**
 * Checks a folder and stores it as a tree; nothing in it is changed, moved or linked to.
 * @param known what an earlier look made of it, which is returned where nothing changed since
 * @throws NightlyError `compose` when there is no such folder, or with everything that keeps it from becoming a tree.
 */
export async function takeFolder(
  path: string,
  settings: TreeSettings,
  { cacheDir, scratchDir, bootable }: FolderRequest,
  task: Task,
  known?: TakenFolder,
): Promise<TakenFolder> {
  const root = realFolder(path);
  refuseAround(root, [cacheDir, scratchDir]);
  await makeFolder(scratchDir);
  const scan = await scanFolder(root, task);
  const seen = scanDigest(scan);
  if (known?.seen === seen) return known;
  const repo = cacheRepo(cacheDir);
  await makeFolder(repo);
  // What ostree makes last of a repository.
  if (!existsSync(join(repo, 'objects'))) await initRepo(repo, 'bare-user', task);
  const names = await readTreeNames(root);
  const kver = checkTree(scan, { ...settings, bootable }, names);
  const { placed, inVar } = planTree(scan, settings, names);
  const policy = await treePolicy(root, task);
  const added = join(scratchDir, 'added');
  await rm(added, { recursive: true, force: true });
  await mkdir(added);
  const hasAdded = inVar.length > 0 && (await writeVarTmpfiles(root, inVar, names, added, task));
  const stored = await storeTree(
    {
      repo,
      scan,
      placed,
      scratchDir,
      ...(hasAdded ? { added } : {}),
      policy,
    },
    task,
  );
  task.say(`${placed.length} files and folders of ${root}`);
  return { ...stored, root, policy, seen, kver };
}

/**
 * Refuses a folder that the build itself writes into, such as the root of this machine: it would be another tree each time it is read.
 * The configuration is checked for that too, but there a link does not say where it leads.
 * @throws NightlyError `compose`
 */
function refuseAround(root: string, ours: readonly string[]): void {
  const inside = ours.find((folder) => within(resolve(folder), root));
  if (inside === undefined) return;
  throw new NightlyError('compose', `${root} cannot be committed: the work folder is in it (${inside}).`, {
    hint: 'Correct "path" of the engine, or "work" in the configuration.',
  });
}

/** @throws NightlyError `compose` */
function realFolder(path: string): string {
  let why = 'is a file';
  let cause: unknown;
  try {
    const real = realpathSync(path);
    if (statSync(real).isDirectory()) return real;
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'ELOOP'].some((code) => isErrno(error, code))) throw error;
    why = isErrno(error, 'ELOOP') ? 'is a link that leads in a circle' : 'is missing';
    cause = error;
  }
  throw new NightlyError('compose', `There is no folder ${path}: it ${why}.`, {
    hint: 'Fill it before the nightly build, or correct "path" of the engine.',
    cause,
  });
}
