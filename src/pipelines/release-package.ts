import { join } from 'node:path';
import { openLogGate } from '../publish/log/release-log.ts';
import { publishRpms } from '../publish/rpms/publish-rpms.ts';
import { rpmFolder } from '../published/paths.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { makePackage, releasePackageOf } from '../steps/release/package-make.ts';
import { renewPackageRepository } from '../steps/release/package-repository.ts';
import { openTarget } from '../targets/open-target.ts';
import type { Target } from '../targets/target.ts';
import { sideBySide } from './side-by-side.ts';

/** How it ended. */
export interface PackageOutcome {
  /** `published`: the package was there, but not everything about it. */
  readonly state: 'made' | 'published' | 'unchanged';
  readonly nevra: string;
  /** The RPM, absolute. */
  readonly file: string;
}

/**
 * Makes the release package of a stream, a step a line: it is made, put into its repository, and that published. Each step
 * finds out what is there already, so that a run after a kill ends the same.
 * @param dir scratch folder
 */
export async function releasePackage(project: Project, dir: string, runner: Runner): Promise<PackageOutcome> {
  const { stream } = project;
  const { repository } = releasePackageOf(project);
  const { file, nevra, built } = await runner.step('package', {}, (task) =>
    makePackage(project, join(dir, 'package'), task),
  );
  const renewed = await runner.step('repository', {}, (task) => renewPackageRepository(project, task));
  const { results, errors } = await sideBySide(packageTargets(project), (target) =>
    runner.step(`publish-${target.name}`, {}, async (task) => {
      const log = await openLogGate(project.config);
      const what = { repository, folder: rpmFolder(stream.name), dir: join(dir, `publish-${target.name}`), log };
      return (await publishRpms(what, target, task)).changed;
    }),
  );
  if (errors[0]) throw errors[0];
  const state = built ? 'made' : renewed || results.includes(true) ? 'published' : 'unchanged';
  return { state, nevra, file };
}

/** Returns where the repository is published: beside the tree that its package leads to. */
export function packageTargets({ config, stream }: Project): Target[] {
  const names = stream.release?.to?.tree ?? stream.targets;
  return names.flatMap((name) => config.targets[name] ?? []).map(openTarget);
}
