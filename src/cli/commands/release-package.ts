import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../base/files.ts';
import { EXIT } from '../../build/outcomes.ts';
import { packageTargets, releasePackage } from '../../pipelines/release-package.ts';
import { rpmFolder } from '../../published/paths.ts';
import { planPackage, releasePackageOf } from '../../steps/release/package-make.ts';
import { defineCommand } from '../define.ts';
import { flag, optional } from '../inputs.ts';
import { preparationTask, withLockedProject } from '../open-run.ts';
import { printJson } from '../print.ts';
import { withSteps } from '../with-steps.ts';

/**
 * `atomic-nightly release-package [STREAM]`: the RPM with a stream's remote, made, signed, put into its repository, and that
 * published. Run again after a failure or a kill, it does what is left. Gives the exit code: 10 when nothing had to be done.
 * @throws NightlyError `config`, `usage`, `signing`, `verify`, those of the targets.
 */
export const releasePackageCommand = defineCommand({
  name: 'release-package',
  section: 'Releases',
  summary: 'make the RPM with the OSTree remote and key of a stream; sign it, and publish its repository',
  arguments: { stream: optional('STREAM', 'stream of the configuration; default: the only nightly one', 'stream') },
  options: {
    dryRun: flag('print what would be made; change nothing'),
    json: flag('the result for scripts, on standard output'),
  },
  exitCodes: { 0: 'made or published', 10: 'unchanged' },
  notes: 'Run it again after a failure or a kill to do what is left.',
  examples: [
    'atomic-nightly release-package',
    'atomic-nightly release-package release --dry-run',
    'atomic-nightly release-package release --json | jq -r .package',
  ],
  interruptible: true,
  async run({ stream: streamName, dryRun, json }, context) {
    const { signal, print } = context;
    return withLockedProject(context, streamName, 'release-package', async (project) => {
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
      await makeFolder(dir);
      const { state, nevra, file } = await withSteps(dir, context, (runner) => releasePackage(project, dir, runner));
      await rm(dir, { recursive: true });
      if (json) printJson({ package: nevra, state, file, urls }, print);
      else if (state === 'unchanged') print(`Unchanged: ${nevra} is made of the same, and published.`);
      else {
        print(`${nevra} is ${state}.`);
        print(`  file: ${file}`);
        print(`  repository: ${urls.join(', ')}`);
      }
      return state === 'unchanged' ? EXIT.unchanged : EXIT.done;
    });
  },
});
