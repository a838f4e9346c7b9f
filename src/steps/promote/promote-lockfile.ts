import { NightlyError } from '../../base/errors.ts';
import { compareEvr, parseEvra, parseNevra } from '../../rpm/evr.ts';
import type { LockedPackage, Lockfile } from '../../rpm/lockfile.ts';
import type { RepoPackage } from '../../rpm/primary.ts';
import type { RpmProject } from '../../run/project.ts';
import type { Night } from '../../run/promoted-night.ts';
import { withOwnRemote } from '../release/own-remote.ts';

/** What a promotion may change about its night. */
export interface Changes {
  /** `name-[epoch:]version-release.arch` */
  readonly overrides: readonly string[];
  readonly excludes: readonly string[];
}

/**
 * Returns the night's lockfile with the release's own remote, packages taken newer, and others left out. Whether what
 * is left fits together is for the depsolve to find out.
 * @param packages what the repositories have now
 * @throws NightlyError `usage`, `package-missing`, `package-downgrade`.
 */
export async function promotedLockfile(
  project: RpmProject,
  night: Night,
  { overrides, excludes }: Changes,
  packages: () => Promise<readonly RepoPackage[]>,
): Promise<Lockfile> {
  const { treefile, stream } = project;
  const locked: Record<string, LockedPackage> = {
    ...(await withOwnRemote(project, night.lockfile, packages)).packages,
  };
  for (const name of excludes) {
    if (!(name in locked)) {
      throw new NightlyError('usage', `--exclude ${name}: nightly build ${night.id} has no package of that name.`, {
        hint: 'Give the name alone, without its version; "atomic-nightly show" and lockfile.json name the packages.',
      });
    }
    const named = [
      ...(treefile.values.packages ?? []),
      ...(treefile.values['repo-packages'] ?? []).flatMap((one) => one.packages),
    ];
    if (named.includes(name)) {
      const place = treefile.origins.get(`packages/${name}`);
      throw new NightlyError(
        'usage',
        `--exclude ${name}: the treefile of nightly build ${night.id} asks for it by name.`,
        {
          hint: 'Remove it from the treefile, run a nightly build, and promote that one.',
          place,
        },
      );
    }
    delete locked[name];
  }
  const offered = overrides.length === 0 ? [] : await packages();
  for (const nevra of overrides) {
    const { name, evra, digest } = findOffered(nevra, offered);
    if (excludes.includes(name)) throw new NightlyError('usage', `${name} is both overridden and excluded.`);
    refuseNotNewer(name, evra, { before: locked[name]?.evra, night, allowed: stream.allowDowngrades });
    locked[name] = { evra, digest };
  }
  return { ...night.lockfile, packages: locked };
}

function findOffered(nevra: string, offered: readonly RepoPackage[]): RepoPackage {
  const wanted = parseNevra(nevra);
  if (!wanted) {
    throw new NightlyError('usage', `--override ${nevra}: that is not of the form name-[epoch:]version-release.arch.`, {
      hint: 'For instance: --override openssl-1:3.2.2-7.el9.x86_64',
    });
  }
  const named = offered.filter(({ name }) => name === wanted.name);
  const found = named.find(({ id }) => id.arch === wanted.arch && compareEvr(id, wanted) === 0);
  if (found) return found;
  const there = [...new Set(named.map(({ name, evra }) => `${name}-${evra}`))].join(', ');
  throw new NightlyError('package-missing', `--override ${nevra}: no repository of the treefile has it.`, {
    hint: there === '' ? `They have no package ${wanted.name} at all.` : `They have ${there}.`,
  });
}

function refuseNotNewer(
  name: string,
  evra: string,
  { before, night, allowed }: { before: string | undefined; night: Night; allowed: readonly string[] },
): void {
  const [next, old] = [parseEvra(evra), parseEvra(before ?? '')];
  if (!next || !old || compareEvr(next, old) > 0 || allowed.includes(name)) return;
  throw new NightlyError(
    'package-downgrade',
    `--override ${name}-${evra}: nightly build ${night.id} has ${before}, which is ${compareEvr(next, old) === 0 ? 'the same' : 'newer'}.`,
    { hint: `An override takes a newer package. To go back on purpose, add ${name} to the stream's allow-downgrades.` },
  );
}
