import { dirname, isAbsolute, normalize } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';
import { parseEvra } from '../../rpm/evr.ts';
import { type Lockfile, lockedEntries } from '../../rpm/lockfile.ts';
import { isDigest, isPackageName, isRepoId } from '../../rpm/rpm-names.ts';
import type { Treefile } from '../../treefile/treefile.ts';
import { repoVariables, treefileRepos } from '../../treefile/treefile-repos.ts';
import type { HelperError } from './dnf-helper.ts';

/** A package as depsolve.py describes it. */
const describedPackage = z.object({
  name: z.string().refine(isPackageName, { error: 'is not a package name' }),
  evra: z.string().refine((text) => parseEvra(text) !== undefined, { error: 'is no [epoch:]version-release.arch' }),
  digest: z.string().refine(isDigest, { error: 'is not a checksum' }),
  repo: z.string().refine(isRepoId, { error: 'is not a repository id' }),
  /** Where the RPM file is, or will be once downloaded. */
  path: z.string().refine((path) => isAbsolute(path) && normalize(path) === path, { error: 'leads elsewhere' }),
  /** Bytes still to be downloaded. */
  download: z.number(),
});

export type DescribedPackage = z.infer<typeof describedPackage>;

export const describedPackages = z.object({ packages: z.array(describedPackage) });

/** A security advisory that packages of the tree come with. */
export const advisory = z.object({
  id: z.string(),
  /** Severity as the repository spells it, as in "Important". */
  severity: z.string(),
  /** `name-[epoch:]version-release.arch` */
  packages: z.array(z.string()),
  /** Address and title of the reports that name a CVE. */
  references: z.array(z.tuple([z.string(), z.string()])),
});

export type Advisory = z.infer<typeof advisory>;

/** Returns what `resolve` and `download` of depsolve.py take. */
export async function dnfRequest(
  treefile: Treefile,
  options: { readonly cacheDir: string; readonly lockfile?: Lockfile | undefined; readonly refresh: boolean },
): Promise<Record<string, unknown>> {
  const { values } = treefile;
  const locked = options.lockfile !== undefined;
  const repos = await treefileRepos(treefile, { locked });
  return {
    cacheDir: options.cacheDir,
    reposDir: dirname(treefile.path),
    repos: repos.map(({ id }) => id),
    checked: repos.filter(({ gpgcheck }) => gpgcheck).map(({ id }) => id),
    variables: repoVariables(treefile),
    excludes: values['exclude-packages'] ?? [],
    recommends: values.recommends ?? true,
    packages: values.packages ?? [],
    repoPackages: values['repo-packages'] ?? [],
    platformModule: values['platform-module'] ?? null,
    locked: options.lockfile ? lockedEntries(options.lockfile) : null,
    refresh: options.refresh,
  };
}

/** Returns the program's error for one that depsolve.py names while it deals with repositories. */
export function dnfError(error: HelperError, treefile: Treefile, locked: boolean): NightlyError {
  switch (error.kind) {
    case 'missing':
      return missingPackages(error, treefile, locked);
    case 'depsolve':
      return new NightlyError('depsolve', `The packages cannot be installed together:\n${error.message.trim()}`, {
        hint: 'Wait for the repositories to be consistent again, or take the package named above out of the treefile or exclude it.',
        place: { file: treefile.path },
      });
    case 'repo':
      return new NightlyError('repo-unreachable', error.message.trim(), {
        hint: error.hint ?? 'Check its address in the .repo file and the network, then run again.',
      });
    case 'config':
      return new NightlyError('config', error.message.trim(), {
        hint: 'Correct the value in the .repo file next to the treefile: dnf would ignore it.',
      });
    case 'package':
    case 'unpack':
    case 'script':
    case 'install':
      return new NightlyError('compose', error.message.trim());
  }
}

function missingPackages({ packages = [] }: HelperError, treefile: Treefile, locked: boolean): NightlyError {
  const lines = packages.map(({ name, evra, otherContent }) => {
    if (evra !== undefined) return `  ${name}-${evra}${otherContent ? ' (is there, but with another checksum)' : ''}`;
    const place = treefile.origins.get(`packages/${name}`);
    return `  ${name}${place ? ` (${place.file}:${place.line ?? 1})` : ''}`;
  });
  const [first] = packages;
  const place = first && treefile.origins.get(`packages/${first.name}`);
  const repos = treefile.values.repos?.join(', ') ?? 'all that are enabled, since the treefile names none';
  return new NightlyError(
    'package-missing',
    `${locked ? 'Locked packages' : 'Packages'} not found in the repositories (${repos}):\n${lines.join('\n')}`,
    {
      hint: locked
        ? 'Keep the packages of a build that you want to repeat in a repository, and name it in lockfile-repos.'
        : 'Correct the name in the treefile, or add the repository that has it.',
      place,
    },
  );
}
