import { NightlyError } from '../../base/errors.ts';
import { readNamed } from '../../base/files.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { findBuild } from '../../build/build-store.ts';
import { continueHint } from '../../build/continue-hint.ts';
import { EXIT, isPublishedState } from '../../build/outcomes.ts';
import { rebuiltText, standingRebuilds } from '../../build/rebuilds.ts';
import { loadConfig } from '../../config/load.ts';
import { type AcceptedRebuild, attestBuild } from '../../pipelines/attest.ts';
import { isFetched, refuseRetractedMeta } from '../../run/build.ts';
import {
  differenceText,
  type Rebuilder,
  readRebuilders,
  readStatement,
} from '../../steps/release/rebuild-statements.ts';
import { defineCommand, usageError } from '../define.ts';
import { flag, needed, rest } from '../inputs.ts';
import { withLockedProject } from '../open-run.ts';
import { printJson } from '../print.ts';
import { withSteps } from '../with-steps.ts';

/**
 * `atomic-nightly attest BUILD FILE…`: takes statements of rebuilders about a build, stores them with it and publishes them. Gives
 * the exit code.
 * @throws NightlyError `usage`, `not-found`, `verify`, `record`, `config`, those of the targets.
 */
export const attest = defineCommand({
  name: 'attest',
  section: 'Releases',
  summary: 'record statements of rebuilders about a build, and publish them beside it',
  arguments: {
    build: needed('BUILD', 'build id', 'build'),
    files: rest('FILE', 'statements, as "rebuild-compose" writes them'),
  },
  options: { json: flag('for scripts') },
  exitCodes: { 0: 'all say that it is identical', 12: 'somebody got another tree; that is published too' },
  notes: 'Whose word counts is in the list "rebuilders" of the configuration: docs/rebuild-compose.md.',
  examples: ['atomic-nightly attest 20261121_03 rebuild-20261121_03-x86_64.intoto.jsonl'],
  interruptible: true,
  async run({ build: id, files, json }, context) {
    if (files.length === 0) throw usageError('attest', 'Name at least one FILE with a statement.');
    const config = await loadConfig(context.config);
    const { meta, paths } = await findBuild(config.work, id);
    if (isFetched(paths)) throw usageError('attest', `Build ${id} was made on another machine: attest it there.`);
    refuseUnpublished(meta);
    const rebuilders = await readRebuilders(config);
    const accepted = await Promise.all(files.map((file) => accept(file, { meta, rebuilders })));
    const rebuilds = await withLockedProject(context, meta.stream, `attest ${id}`, async (project) => {
      const stored = await findBuild(config.work, id);
      return withSteps(stored.paths.dir, context, (runner) => attestBuild(project, stored, accepted, runner));
    });
    if (json) printJson({ build: id, rebuilds }, context.print);
    else {
      for (const { by, said } of accepted)
        context.print(`${by}: ${said.verdict === 'identical' ? 'identical' : `DIFFERS: ${differenceText(said)}`}`);
      context.print(`Build ${id} was rebuilt ${rebuiltText({ rebuilds })}.`);
    }
    return standingRebuilds(rebuilds).every(({ verdict }) => verdict === 'identical') ? EXIT.done : EXIT.gateFailed;
  },
});

async function accept(
  file: string,
  about: { readonly meta: BuildMeta; readonly rebuilders: readonly Rebuilder[] },
): Promise<AcceptedRebuild> {
  const content = await readNamed(file);
  if (content === undefined) throw new NightlyError('usage', `There is no file ${file}.`);
  return { ...(await readStatement(content, file, about)), content };
}

function refuseUnpublished(meta: BuildMeta): void {
  refuseRetractedMeta(meta);
  if (meta.ostreeCommit !== undefined && isPublishedState(meta.state)) return;
  throw new NightlyError('usage', `Build ${meta.buildid} is ${meta.state}: nobody can have composed it again.`, {
    hint: continueHint(meta),
  });
}
