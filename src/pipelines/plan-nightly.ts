import { retractedWith } from '../build/retractions.ts';
import { readLockfile } from '../rpm/lockfile.ts';
import { lockedPackages, type PackageDiff, packageDiff } from '../rpm/pkgdiff.ts';
import type { Project } from '../run/project.ts';
import { type DryRunOptions, dryRun } from './dry-run.ts';
import { prepareNightly } from './prepare-nightly.ts';

/** What a night would do, found out without reserving an id, composing or publishing. */
export interface NightlyPlan {
  readonly ref: string;
  readonly parent?: string | undefined;
  readonly unchanged: boolean;
  readonly pkgdiff: PackageDiff;
}

/** Runs the steps of a night up to the depsolve, with their files in a scratch folder. */
export async function planNightly(
  project: Project,
  options: DryRunOptions & { readonly force: boolean },
): Promise<NightlyPlan> {
  const { build, runner } = await dryRun(project, options);
  const { parent, before, resolved, unchanged } = await prepareNightly(project, build, runner, options);
  // What a folder will hold is known when it is built.
  const packages = resolved && project.treefile ? lockedPackages(await readLockfile(build.paths.lockfile)) : undefined;
  const bad =
    resolved && !options.force
      ? await retractedWith(project.config.work, project.stream.name, resolved.inputHash)
      : undefined;
  return {
    ref: project.ref,
    parent,
    unchanged: unchanged !== undefined || bad !== undefined,
    pkgdiff: packages ? packageDiff(before?.packages ?? [], packages) : [],
  };
}
