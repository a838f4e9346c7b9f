import { dirname } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { writeJson } from '../../base/files.ts';
import { formatCount } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import { ownFolders } from '../../config/lookup.ts';
import type { CommitInfo } from '../../ostree/objects.ts';
import { type GitState, gitState } from '../../programs/git.ts';
import { type Lockfile, type PackageId, writeLockfile } from '../../rpm/lockfile.ts';
import { downgrades } from '../../rpm/pkgdiff.ts';
import type { Build } from '../../run/build.ts';
import type { Project, RpmProject } from '../../run/project.ts';
import { copyTreefile } from '../../treefile/copy.ts';
import { treefileJson } from '../../treefile/read.ts';
import { readRepoFiles } from '../../treefile/treefile-repos.ts';
import { requireOwnRemote } from '../release/own-remote.ts';
import { treeUnchanged } from './tree-unchanged.ts';

export interface Resolved {
  readonly inputHash: string;
  /** The same packages and treefile as the parent's: there is nothing to build. */
  readonly unchanged: boolean;
  /** The top treefile in the build's copy, relative to the copy; undefined where there is none. */
  readonly treefileCopy?: string;
  /** The checkout of git that the treefile is in, or what the tree is made of by others, as it was when it was read. */
  readonly checkout?: GitState;
}

/**
 * Depsolves and writes the build's lockfile and flattened treefile. Refuses packages older than the parent's, unless
 * the stream allows them by name (I5).
 */
export async function resolve(
  project: RpmProject,
  build: Build,
  parent: CommitInfo | undefined,
  task: Task,
): Promise<Resolved> {
  const { engine, treefile, cacheDir, repo } = project;
  const resolution = await engine.resolve(
    { treefile, cacheDir, repo, ...(parent ? { parent: parent.checksum } : {}) },
    task,
  );
  const { lockfile, inputHash } = resolution;
  requireOwnRemote(project, lockfile);
  await writeLockfile(build.paths.lockfile, lockfile);
  await writeJson(build.paths.treefile, treefileJson(treefile));
  // A promotion weeks later must build from this treefile, whatever became of it since.
  const treefileCopy = await copyTreefile(treefile, await readRepoFiles(treefile), build.paths.treefileCopy);
  const checkout = await gitState(dirname(treefile.path), ownFolders(project.config), task);
  refuseDowngrades(
    project,
    parent?.packages ?? [],
    lockfile,
    'The repositories have older packages than the published commit',
  );
  task.say(`${formatCount(Object.keys(lockfile.packages).length, 'package')}`);
  const unchanged = await treeUnchanged(project, parent, resolution, task);
  return { inputHash, unchanged, treefileCopy, ...(checkout === undefined ? {} : { checkout }) };
}

/**
 * Refuses packages older than those of an earlier commit, unless the stream allows them by name (I5).
 * @param what the beginning of the message
 * @throws NightlyError `package-downgrade`, naming each.
 */
export function refuseDowngrades(
  { stream, config }: Project,
  before: readonly PackageId[],
  lockfile: Lockfile,
  what: string,
): void {
  const refused = downgrades(before, lockfile).filter(({ name }) => !stream.allowDowngrades.includes(name));
  if (refused.length === 0) return;
  const list = refused.map(({ name, from, to }) => `  ${name}: ${from} → ${to}`).join('\n');
  throw new NightlyError('package-downgrade', `${what}:\n${list}`, {
    hint: `Find out why they went back. If it is meant: add ${refused.map(({ name }) => name).join(', ')} to allow-downgrades of stream "${stream.name}".`,
    place: config.placeOf('streams', stream.name),
  });
}
