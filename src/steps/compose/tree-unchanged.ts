import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { withTemporaryFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { findBuild } from '../../build/build-store.ts';
import type { StreamConfig } from '../../config/config.ts';
import type { Resolution } from '../../engines/engine.ts';
import { PROVENANCE_VERSION, type Provenance } from '../../engines/provenance/provenance-format.ts';
import { commitProvenanceIfGood, hasSignatures } from '../../engines/provenance/read-provenance.ts';
import { nevraOf } from '../../engines/provenance/rpm-provenance.ts';
import type { CommitInfo } from '../../ostree/objects.ts';
import { readHeaders } from '../../programs/rpm-installed.ts';
import { gatherRpms } from '../../rpm/gather.ts';
import { type LockedEntry, type Lockfile, lockedEntries, readLockfile } from '../../rpm/lockfile.ts';
import type { RpmProject } from '../../run/project.ts';
import { offeredPackages } from '../../treefile/treefile-repos.ts';

/** What a stream's trees say of themselves, as far as it decides whether there is something to build. */
export function provenanceFormat({ provenance }: StreamConfig): string {
  return `${PROVENANCE_VERSION}${provenance.signatures ? ' with signatures' : ''}`;
}

/**
 * Whether a resolution would give the tree that a commit has: equal inputs, or packages that were only signed again since, unless
 * the stream's trees have the signatures in them.
 */
export async function treeUnchanged(
  project: RpmProject,
  parent: CommitInfo | undefined,
  { inputHash, lockfile }: Resolution,
  task: Task,
): Promise<boolean> {
  if (parent === undefined) return false;
  const { stream, repo } = project;
  const equal = parent.inputHash === inputHash;
  const before = await commitProvenanceIfGood(repo, parent.checksum, task);
  if (before === undefined || !isOfFormat(before, stream)) {
    if (equal)
      task.say('the tree of the last build does not say what it is made of as this one will: it is made again');
    return false;
  }
  return equal || (!stream.provenance.signatures && (await signedAgain(project, parent, { before, lockfile }, task)));
}

function isOfFormat(found: Provenance, { provenance: { signatures } }: StreamConfig): boolean {
  if (found.version !== PROVENANCE_VERSION) return false;
  return found.packages.length === 0 || hasSignatures(found) === signatures;
}

/**
 * Whether all that changed is the signature of packages: the same treefile and packages, and of each whose file is another the
 * same header, by which the payload is known too. Only these files are fetched.
 */
async function signedAgain(
  project: RpmProject,
  parent: CommitInfo,
  { before, lockfile }: { readonly before: Provenance; readonly lockfile: Lockfile },
  task: Task,
): Promise<boolean> {
  const entries = lockedEntries(lockfile);
  const headers = new Map(before.packages.map(({ nevra, header }) => [nevra, header]));
  if (before.treefile?.digest !== project.treefile.digest) return false;
  if (entries.length !== headers.size || !entries.every((one) => headers.has(nameOf(one)))) return false;
  const then = await lockfileOf(project, parent);
  const changed = entries.filter(({ key, digest }) => then?.packages[key]?.digest !== digest);
  if (then === undefined || changed.length === 0) return false;
  const found = await headersOf(project, changed, task);
  const same = changed.every((one) => {
    const header = found.get(nameOf(one));
    return header?.startsWith('sha256:') && header === headers.get(nameOf(one));
  });
  if (same) task.say(`packages that were signed again and are the same otherwise: ${changed.map(nameOf).join(', ')}`);
  return same;
}

const nameOf = ({ name, evra }: LockedEntry): string => `${name}-${evra}`;

/** Lockfile of the build that made a commit; undefined when its record is not here. */
async function lockfileOf({ config }: RpmProject, { version, checksum }: CommitInfo): Promise<Lockfile | undefined> {
  try {
    const { meta, paths } = await findBuild(config.work, version ?? '');
    return meta.ostreeCommit === checksum ? await readLockfile(paths.lockfile) : undefined;
  } catch (error) {
    if (error instanceof NightlyError) return undefined;
    throw error;
  }
}

async function headersOf(
  project: RpmProject,
  entries: readonly LockedEntry[],
  task: Task,
): Promise<ReadonlyMap<string, string | undefined>> {
  const { cacheDir, treefile } = project;
  const lockfile = {
    packages: Object.fromEntries(
      entries.map(({ key, evra, digest }) => [key, { evra, ...(digest !== undefined && { digest }) }]),
    ),
  };
  const packages = () => offeredPackages(treefile, { locked: false }, task);
  const { rpms } = await gatherRpms(
    { lockfile, store: join(cacheDir, 'signed-again'), cache: cacheDir, packages },
    task,
  );
  const files = rpms.map(({ path }) => path);
  const read = await withTemporaryFolder((home) => readHeaders(files, home, task));
  return new Map(read.map((one) => [nevraOf(one), one.header]));
}
