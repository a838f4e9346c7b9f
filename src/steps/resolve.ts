import { NightlyError } from '../errors.ts';
import type { CommitInfo } from '../ostree/objects.ts';
import { writeLockfile } from '../rpm/lockfile.ts';
import { downgrades } from '../rpm/pkgdiff.ts';
import type { Build } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import { writeJson } from '../tools/files.ts';
import type { Task } from '../tools/task.ts';
import { treefileJson } from '../treefile/read.ts';

export interface Resolved {
  readonly inputHash: string;
  /** The same packages and treefile as the parent's: there is nothing to build. */
  readonly unchanged: boolean;
}

/**
 * Depsolves and writes the build's lockfile and flattened treefile. Refuses packages older than the parent's, unless
 * the stream allows them by name (I5).
 */
export async function resolve(
  project: Project,
  build: Build,
  parent: CommitInfo | undefined,
  task: Task,
): Promise<Resolved> {
  const { engine, stream, treefile, cacheDir, repo } = project;
  const { lockfile, inputHash } = await engine.resolve(
    { treefile, cacheDir, repo, ...(parent ? { parent: parent.checksum } : {}) },
    task,
  );
  await writeLockfile(build.paths.lockfile, lockfile);
  await writeJson(build.paths.treefile, treefileJson(treefile));
  const refused = downgrades(parent?.packages ?? [], lockfile).filter(
    ({ name }) => !stream.allowDowngrades.includes(name),
  );
  if (refused.length > 0) {
    const list = refused.map(({ name, from, to }) => `  ${name}: ${from} → ${to}`).join('\n');
    throw new NightlyError(
      'package-downgrade',
      `The repositories have older packages than the published commit:\n${list}`,
      {
        hint: `Find out why they went back. If it is meant: add ${refused.map(({ name }) => name).join(', ')} to allow-downgrades of stream "${stream.name}".`,
        place: project.config.placeOf('streams', stream.name),
      },
    );
  }
  task.say(`${Object.keys(lockfile.packages).length} packages`);
  return { inputHash, unchanged: parent?.inputHash === inputHash };
}
