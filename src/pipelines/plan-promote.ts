import { join } from 'node:path';
import type { PromotionRecord } from '../build/build-record.ts';
import { buildPaths } from '../build/build-store.ts';
import type { Listener } from '../build/events.ts';
import { openJournal } from '../build/journal.ts';
import { readLockfile } from '../rpm/lockfile.ts';
import { lockedPackages, type PackageDiff, packageDiff } from '../rpm/pkgdiff.ts';
import type { Project } from '../run/project.ts';
import { openPromotedNight } from '../run/promoted-night.ts';
import { createRunner } from '../run/runner.ts';
import { readParent, seed } from '../steps/compose/seed.ts';
import { promotePackages } from '../steps/promote/promote-packages.ts';
import { promoteResolve } from '../steps/promote/promote-resolve.ts';

/** What a promotion would do, found out without reserving an id, composing or publishing. */
export interface PromotionPlan {
  readonly promotion: PromotionRecord;
  readonly ref: string;
  readonly parent?: string;
  /** How many packages, each with a good signature. */
  readonly packages: number;
  /** What overrides and exclusions change about the night. */
  readonly changes: PackageDiff;
  /** From the release ref's last commit. */
  readonly pkgdiff: PackageDiff;
}

/** Runs the steps of a promotion up to the depsolve, with their files in a scratch folder. */
export async function planPromotion(
  project: Project,
  promotion: PromotionRecord,
  options: { readonly scratch: string; readonly signal: AbortSignal; readonly listen: Listener },
): Promise<PromotionPlan> {
  const { scratch, signal, listen } = options;
  const night = await openPromotedNight(project.config.work, promotion.of);
  const journal = await openJournal(join(scratch, 'journal.ndjson'));
  const runner = createRunner({ journal, logDir: join(scratch, 'logs'), signal, listen });
  const timestamp = Math.floor(Date.now() / 1000);
  const build = { id: 'dry-run', paths: buildPaths(scratch, 'dry-run', project.stream.arch), timestamp };
  const { parent } = await runner.step('seed', {}, (task) => seed(project, timestamp, task));
  const { overrides, excludes, recommit, 'last-release': release } = promotion;
  const changes = { overrides, excludes };
  const { packages } = await runner.step('packages', {}, (task) =>
    promotePackages(project, build, { night, changes, recommit, release }, task),
  );
  if (!recommit) await runner.step('resolve', {}, (task) => promoteResolve(project, build, { night, changes }, task));
  const after = lockedPackages(await readLockfile(build.paths.lockfile));
  const before = await readParent(project, parent);
  return {
    promotion,
    ref: project.ref,
    ...(parent === undefined ? {} : { parent }),
    packages,
    changes: packageDiff(lockedPackages(night.lockfile), after),
    pkgdiff: packageDiff(before?.packages ?? [], after),
  };
}
