import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { withTemporaryFolder, writeJson } from '../../base/files.ts';
import { formatCount } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import { findBuild } from '../../build/build-store.ts';
import { createRepo } from '../../programs/createrepo.ts';
import type { SignatureFault } from '../../programs/rpm.ts';
import { checkRpms } from '../../rpm/check-signatures.ts';
import { type GatheredRpm, gatherRpms, holdsAll, type MissingRpm } from '../../rpm/gather.ts';
import { readLockfile, writeLockfile } from '../../rpm/lockfile.ts';
import { lockedPackages } from '../../rpm/pkgdiff.ts';
import type { RepoPackage } from '../../rpm/primary.ts';
import { readRepoKeys } from '../../rpm/repo-keys.ts';
import { checkHeaders } from '../../rpm/rpm-headers.ts';
import type { Build } from '../../run/build.ts';
import type { RpmProject } from '../../run/project.ts';
import type { Night } from '../../run/promoted-night.ts';
import { treefileJson } from '../../treefile/read.ts';
import { offeredPackages, treefileRepos } from '../../treefile/treefile-repos.ts';
import { refuseDowngrades } from '../compose/resolve.ts';
import { remoteSwap, requireOwnRemote } from '../release/own-remote.ts';
import { type Changes, promotedLockfile } from './promote-lockfile.ts';

/**
 * Brings exactly the promotion's packages into a repository of their own, each compared with the night's checksum and its
 * signature checked by rpmkeys at the strictest level. What is composed afterwards comes from there and nowhere else.
 * @throws NightlyError `package-unsigned` or `package-missing`, naming each package and what is wrong;
 *   `package-downgrade`; what `promotedLockfile` throws.
 */
export async function promotePackages(
  project: RpmProject,
  build: Build,
  about: {
    readonly night: Night;
    readonly changes: Changes;
    /** The night's tree is taken as it is. */
    readonly recommit: boolean;
    /** Build id of the last release: nothing may go back behind it (I5). */
    readonly release: string | undefined;
  },
  task: Task,
): Promise<{ readonly packages: number }> {
  const { night, changes, recommit, release } = about;
  let offered: Promise<RepoPackage[]> | undefined;
  const packages = () => (offered ??= offeredPackages(project.treefile, { locked: true }, task));
  const lockfile = recommit ? night.lockfile : await promotedLockfile(project, night, changes, packages);
  requireOwnRemote(project, lockfile);
  const swap = remoteSwap(project);
  if (swap && swap.from in night.lockfile.packages)
    task.say(`${swap.to}-${lockfile.packages[swap.to]?.evra} replaces ${swap.from}`);
  if (release !== undefined) {
    const { paths } = await findBuild(project.config.work, release);
    const released = lockedPackages(await readLockfile(paths.lockfile));
    refuseDowngrades(project, released, lockfile, `The promotion has older packages than the last release, ${release}`);
  }
  const store = packageStore(project);
  const { rpms, missing } = await gatherRpms({ lockfile, store, cache: composeCache(project), packages }, task);
  const keys = await releaseKeys(project, task);
  const files = rpms.map(({ path }) => path);
  const dir = join(build.paths.scratch, 'rpm-keys');
  const faults = await checkRpms(files, keys, dir, task);
  await rm(dir, { recursive: true, force: true });
  refuse(project, night, { rpms, missing, faults });
  await withTemporaryFolder((home) => checkHeaders(rpms, home, task));
  await createRepo(store, task);
  await writeLockfile(build.paths.lockfile, lockfile);
  await writeJson(build.paths.treefile, treefileJson(project.treefile));
  task.say(`${formatCount(rpms.length, 'package')}, each with a good signature`);
  return { packages: rpms.length };
}

/** Whether the packages of a build are still there: another promotion may have needed the place since. */
export async function storeIsWhole(project: RpmProject, build: Build): Promise<boolean> {
  return holdsAll(packageStore(project), await readLockfile(build.paths.lockfile));
}

/**
 * Returns the repository that a promotion is composed from. It lies in the compose cache, which then keeps nothing
 * twice.
 */
export function packageStore(project: RpmProject): string {
  return join(composeCache(project), 'packages');
}

/**
 * Returns the compose cache of the nights, which a promotion shares: it has the RPM files, the initramfs and most
 * objects.
 */
export function composeCache({ config, stream }: RpmProject): string {
  return join(config.work, 'cache', stream.release?.promotesFrom ?? stream.name);
}

/** Returns the keyring of a release stream: its own keys, else those its repositories name. */
async function releaseKeys({ stream, treefile, config }: RpmProject, task: Task): Promise<(string | Uint8Array)[]> {
  const own = stream.release?.rpmKeys ?? [];
  const unreadable = (error: unknown): never => {
    const why = error instanceof Error ? error.message : String(error);
    throw new NightlyError('config', `A key in rpm-keys of stream "${stream.name}" cannot be read: ${why}.`, {
      hint: 'Correct its path, or put the public key there.',
      place: config.placeOf('streams', stream.name, 'rpm-keys'),
      cause: error,
    });
  };
  if (own.length > 0) return Promise.all(own.map((path) => readFile(path).catch(unreadable)));
  const repos = (await treefileRepos(treefile, { locked: true })).filter(({ gpgkey }) => gpgkey.length > 0);
  if (repos.length === 0) {
    throw new NightlyError(
      'config',
      `Stream "${stream.name}" has no keys to check the packages with: neither rpm-keys nor a gpgkey= in a .repo file.`,
      { hint: 'Name the public keys in rpm-keys.', place: config.placeOf('streams', stream.name) },
    );
  }
  return (await Promise.all(repos.map((repo) => readRepoKeys(repo, task)))).flat();
}

const TITLES: Readonly<Record<SignatureFault['kind'], string>> = {
  unsigned: 'Not signed',
  'unknown-key': 'Signed with a key that is not in the keyring',
  bad: 'Signed, but the signature is not good',
};

function refuse(
  { stream }: RpmProject,
  night: Night,
  found: {
    readonly rpms: readonly GatheredRpm[];
    readonly missing: readonly MissingRpm[];
    readonly faults: readonly SignatureFault[];
  },
): void {
  const { rpms, missing, faults } = found;
  const nameOf = new Map(rpms.map(({ path, name, evra }) => [path, `${name}-${evra}`]));
  const lists = (['unsigned', 'unknown-key', 'bad'] as const).flatMap((kind) => {
    const lines = faults
      .filter((fault) => fault.kind === kind)
      .map(({ file, report }) => `  ${nameOf.get(file)}${kind === 'unsigned' ? '' : `: ${keyOf(report, kind)}`}`);
    return lines.length === 0 ? [] : [`${TITLES[kind]}:`, ...lines.toSorted()];
  });
  if (missing.length > 0) {
    const lines = missing.map(({ name, evra, why }) => `  ${name}-${evra}${why === undefined ? '' : ` (${why})`}`);
    lists.push('Gone from the repositories since, and not in the compose cache:', ...lines);
  }
  if (lists.length === 0) return;
  const hints = [
    ...(faults.length > 0
      ? [`have the packages signed with a key of the keyring (rpm-keys of stream "${stream.name}"), or override them`]
      : []),
    ...(missing.length > 0
      ? ['put the packages back into a repository that the treefile of the nightly build names, or promote a later one']
      : []),
  ];
  throw new NightlyError(
    faults.length > 0 ? 'package-unsigned' : 'package-missing',
    `Nightly build ${night.id} cannot be promoted with these packages; nothing was built.\n${lists.join('\n')}`,
    { hint: `${sentence(hints.join('; '))}.` },
  );
}

/** `key ID 1234abcd` out of what rpmkeys says, or all of it. */
function keyOf(report: string, kind: SignatureFault['kind']): string {
  const ids = [...new Set([...report.matchAll(/key ID ([0-9a-f]+)/gi)].map(([, id]) => id))];
  return kind === 'unknown-key' && ids.length > 0 ? `key ID ${ids.join(', ')}` : report;
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
