import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder, sha256 } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { type Lockfile, lockPackages } from '../../rpm/lockfile.ts';
import type { Treefile } from '../../treefile/treefile.ts';
import type { Resolution, ResolveRequest } from '../engine.ts';
import { callHelper } from './dnf-helper.ts';
import { describedPackages, dnfError, dnfRequest } from './dnf-request.ts';

/**
 * Changes when this engine makes another tree from the same input, so that a night after an update of the program
 * composes anew.
 */
const TREE_FORMAT = 'dnf-2';

/** Depsolves with the repositories' newest metadata, or finds exactly what a lockfile names. */
export async function resolve(request: ResolveRequest, task: Task): Promise<Resolution> {
  const { treefile, cacheDir, lockfile } = request;
  await makeFolder(join(cacheDir, 'home'));
  const { packages } = await callHelper(
    {
      verb: 'resolve',
      request: await dnfRequest(treefile, {
        cacheDir,
        refresh: true,
        lockfile,
      }),
      result: describedPackages,
      fail: (error) => dnfError(error, treefile, lockfile !== undefined),
      home: join(cacheDir, 'home'),
    },
    task,
  );
  if (packages.length === 0) {
    throw new NightlyError('treefile', 'The treefile names no packages, so the tree would be empty.', {
      hint: 'Add "packages:" to the treefile.',
      place: { file: treefile.path },
    });
  }
  const resolved: Lockfile = {
    packages: lockPackages(packages),
    metadata: lockfile?.metadata ?? { generated: new Date().toISOString() },
  };
  return {
    lockfile: resolved,
    inputHash: inputHash(treefile, resolved),
    downloadBytes: packages.reduce((sum, one) => sum + one.download, 0),
  };
}

/** SHA-256 over the treefile with all its files, and name, EVRA and digest of every package. */
export function inputHash(treefile: Treefile, lockfile: Lockfile): string {
  const packages = Object.entries(lockfile.packages)
    .map(([name, { evra, digest }]) => `${name} ${evra} ${digest ?? ''}`)
    .sort();
  return sha256([TREE_FORMAT, treefile.digest, ...packages].join('\n'));
}
