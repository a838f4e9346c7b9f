import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { packageTargets, releasePackage } from '../../pipelines/release-package.ts';
import { planPackage, releasePackageOf } from '../../steps/release/package-make.ts';
import { rpmFolder } from '../../steps/release/package-publish.ts';
import { preparationTask, type RunCommandOptions, withLockedProject, withSteps } from '../open-run.ts';
import { type Printer, printJson } from '../print.ts';

export interface ReleasePackageCommandOptions extends RunCommandOptions {
  readonly dryRun: boolean;
  readonly json: boolean;
}

/**
 * `atomic-nightly release-package [STREAM]`: the RPM with a stream's remote, made, signed, put into its repository, and that
 * published. Run again after a failure or a kill, it does what is left. Gives the exit code: 10 when nothing had to be done.
 * @throws NightlyError `config`, `usage`, `signing`, `verify`, those of the targets.
 */
export async function runReleasePackage(
  streamName: string | undefined,
  options: ReleasePackageCommandOptions,
  print: Printer,
): Promise<number> {
  const { dryRun, json, signal } = options;
  return withLockedProject(options, streamName, 'release-package', async (project) => {
    const { config, stream } = project;
    const { repository } = releasePackageOf(project);
    const urls = packageTargets(project).map(({ publicUrl }) => `${publicUrl}/${rpmFolder(stream.name)}`);
    if (dryRun) {
      const { nevra, unchanged, content } = await planPackage(project, preparationTask(project, signal));
      const { remote, ref, verify } = content.facts;
      const plan = { package: nevra, unchanged: unchanged !== undefined, remote, ref, signed: verify === 'true' };
      if (json) printJson({ ...plan, repository, urls }, print);
      else {
        print(unchanged ? `${nevra} is in ${repository} already, made of the same.` : `${nevra} would be made:`);
        print(`  remote:     ${remote.name}, ${remote.url}, ${ref}`);
        print(`  signatures: ${verify === 'true' ? 'clients check them' : 'none: the stream does not sign'}`);
        print(`  repository: ${repository}, published at ${urls.join(', ')}`);
      }
      return 0;
    }
    const dir = join(config.work, 'scratch', 'release-package');
    await mkdir(dir, { recursive: true });
    const { state, nevra, file } = await withSteps(dir, options, (runner) => releasePackage(project, dir, runner));
    await rm(dir, { recursive: true });
    if (json) printJson({ package: nevra, state, file, urls }, print);
    else if (state === 'unchanged') print(`Unchanged: ${nevra} is made of the same, and published.`);
    else {
      print(`${nevra} is ${state}.`);
      print(`  file: ${file}`);
      print(`  repository: ${urls.join(', ')}`);
    }
    return state === 'unchanged' ? 10 : 0;
  });
}
