import type { PromotionRecord } from '../build/build-record.ts';
import { readCommit } from '../ostree/objects.ts';
import { readLockfile } from '../rpm/lockfile.ts';
import { lockedPackages, type PackageDiff, packageDiff } from '../rpm/pkgdiff.ts';
import type { Project } from '../run/project.ts';
import { readParent } from '../steps/compose/seed.ts';
import { type DryRunOptions, dryRun } from './dry-run.ts';
import { preparePromotion } from './prepare-promotion.ts';

/** What a promotion would do, found out without reserving an id, composing or publishing. */
export interface PromotionPlan {
  readonly promotion: PromotionRecord;
  readonly ref: string;
  readonly parent?: string | undefined;
  /** How many packages, each with a good signature. */
  readonly packages: number;
  /** What overrides and exclusions change about the night. */
  readonly changes: PackageDiff;
  /** Changes against the release ref's last commit. */
  readonly pkgdiff: PackageDiff;
}

/** Runs the steps of a promotion up to the depsolve, with their files in a scratch folder. */
export async function planPromotion(
  project: Project,
  promotion: PromotionRecord,
  options: DryRunOptions,
): Promise<PromotionPlan> {
  const { build, runner } = await dryRun(project, options);
  const { night, parent, packages } = await preparePromotion(project, build, promotion, runner);
  const before = await readParent(project, parent);
  const common = { promotion, ref: project.ref, parent, packages };
  if (project.treefile === undefined) {
    const after = (await readCommit(project.repo, night.commit)).packages ?? [];
    return { ...common, changes: [], pkgdiff: packageDiff(before?.packages ?? [], after) };
  }
  const after = lockedPackages(await readLockfile(build.paths.lockfile));
  return {
    ...common,
    changes: packageDiff(lockedPackages(night.lockfile), after),
    pkgdiff: packageDiff(before?.packages ?? [], after),
  };
}
