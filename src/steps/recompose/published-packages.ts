import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { withTemporaryFolder } from '../../base/files.ts';
import { formatCount } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import type { Provenance } from '../../engines/provenance/provenance-format.ts';
import { createRepo } from '../../programs/createrepo.ts';
import { checkRpms } from '../../rpm/check-signatures.ts';
import { type GatheredRpm, gatherRpms, type MissingRpm } from '../../rpm/gather.ts';
import type { Lockfile } from '../../rpm/lockfile.ts';
import { readRepoKeys } from '../../rpm/repo-keys.ts';
import { readRepoContent } from '../../rpm/repodata.ts';
import type { RepoDefinition } from '../../rpm/repofile.ts';
import { checkHeaders } from '../../rpm/rpm-headers.ts';

/** What a lockfile names, and where to look for it. */
export interface PackagesRequest {
  readonly lockfile: Lockfile;
  readonly provenance: Provenance;
  readonly repos: readonly RepoDefinition[];
  /** Folder that keeps RPM files between runs; `packages` in it becomes a repository of exactly these. */
  readonly cacheDir: string;
  readonly scratchDir: string;
}

/**
 * Brings exactly the packages of a lockfile here, each with the checksum that it names, and checks the signatures of those whose
 * repository says gpgcheck=1.
 * @returns folder with a repository of them
 * @throws NightlyError `package-missing`, naming each and where it was looked for; `package-unsigned`, `repo-unreachable`.
 */
export async function publishedPackages(request: PackagesRequest, task: Task): Promise<string> {
  const { lockfile, repos, cacheDir, scratchDir } = request;
  requireDigests(lockfile);
  const store = join(cacheDir, 'packages');
  const packages = async () =>
    (await Promise.all(repos.map((repo) => readRepoContent(repo, task)))).flatMap((content) => content.packages);
  const { rpms, missing } = await gatherRpms({ lockfile, store, cache: cacheDir, packages }, task);
  if (missing.length > 0) throw notFound(missing, repos);
  const faults = await unsigned(rpms, request, join(scratchDir, 'rpm-keys'), task);
  if (faults.length > 0) {
    throw new NightlyError('package-unsigned', `Packages of the build have no good signature:\n${faults.join('\n')}`, {
      hint: 'Their repositories say gpgcheck=1. If the key is another by now, name a .repo file with the right gpgkey= with --repo.',
    });
  }
  await withTemporaryFolder((home) => checkHeaders(rpms, home, task));
  await createRepo(store, task);
  task.say(`${formatCount(rpms.length, 'package')}, each as the lockfile has it`);
  return store;
}

/** A package that is known by its name alone may be anything. */
function requireDigests({ packages }: Lockfile): void {
  const without = Object.entries(packages).flatMap(([name, { digest }]) => (digest === undefined ? [name] : []));
  if (without.length === 0) return;
  throw new NightlyError('unsupported', `The published lockfile has no checksum of ${without.join(', ')}.`, {
    hint: 'Lockfiles of builds with dnf or a current rpm-ostree have one for each package: rebuild a later build.',
  });
}

function notFound(missing: readonly MissingRpm[], repos: readonly RepoDefinition[]): NightlyError {
  const lines = missing.map(({ name, evra, why }) => `  ${name}-${evra}${why === undefined ? '' : ` (${why})`}`);
  const places = repos.map(({ id, baseurl, metalink, mirrorlist }) => {
    return `  ${id}: ${[...baseurl, metalink ?? '', mirrorlist ?? ''].filter((url) => url !== '').join(', ')}`;
  });
  return new NightlyError(
    'package-missing',
    `Packages of the build are not to be had any more:\n${lines.join('\n')}\nLooked for with the checksum of the lockfile in:\n${places.join('\n')}`,
    { hint: 'Name a .repo file of a repository that still has them, such as an archive, with --repo.' },
  );
}

/** Returns a line for each package that is not signed as its repository asks for. */
async function unsigned(
  rpms: readonly GatheredRpm[],
  { provenance, repos }: PackagesRequest,
  dir: string,
  task: Task,
): Promise<string[]> {
  const repositoryOf = new Map(provenance.packages.map(({ nevra, repository }) => [nevra, repository]));
  const lines: string[] = [];
  for (const repo of repos.filter(({ gpgcheck }) => gpgcheck)) {
    // One that nobody knows the repository of has to pass for every one.
    const own = rpms.filter(({ name, evra }) => (repositoryOf.get(`${name}-${evra}`) ?? repo.id) === repo.id);
    const keys = own.length === 0 ? [] : await readRepoKeys(repo, task);
    const files = own.map(({ path }) => path);
    for (const { file, report } of await checkRpms(files, keys, dir, task)) {
      const rpm = own.find(({ path }) => path === file);
      lines.push(`  ${rpm?.name}-${rpm?.evra} from ${repo.id}: ${report}`);
    }
  }
  return lines;
}
