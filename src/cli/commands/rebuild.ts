import { join, resolve } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import { EXIT } from '../../build/outcomes.ts';
import { type Rebuilt, rebuild as rebuildAll } from '../../pipelines/rebuild.ts';
import { RESULT } from '../../rebuild/result.ts';
import { takeRunLock } from '../../run/run-lock.ts';
import { defineCommand, usageError } from '../define.ts';
import { exitCodeOfError } from '../exit-code.ts';
import { flag, rest, text, words } from '../inputs.ts';
import { loadBuilders } from '../open-builders.ts';
import { formatError, type Printer, printJson } from '../print.ts';
import { withSteps } from '../with-steps.ts';

/** `atomic-nightly rebuild SRPM…`: builds source packages on machines that nobody has to trust. Gives the exit code. */
export const rebuild = defineCommand({
  name: 'rebuild',
  section: 'Rebuilds',
  summary: 'build source packages on machines that nobody has to trust: docs/rebuilds.md',
  arguments: { sources: rest('SRPM', 'files, URLs, or folders with *.src.rpm') },
  options: {
    repo: words('FILE.repo', 'repositories of the build root; default: builders.repositories'),
    on: text('NAME', 'the only machine to use; default: all of builders.machines'),
    scratch: flag('never to enter a repository, whatever the result'),
    json: flag('the results for scripts, on standard output'),
  },
  exitCodes: {
    0: 'all were built',
    1: 'a build failed, or no machine could be reached',
    12: 'every machine was refused',
  },
  notes: 'A machine gets nothing of a job before it has passed its check.',
  examples: [
    'atomic-nightly rebuild hello-2.12-1.src.rpm',
    'atomic-nightly rebuild ./srpms --repo /etc/yum.repos.d/fedora.repo --on alpha',
    'atomic-nightly rebuild https://mirror.example.org/hello-2.12-1.src.rpm --scratch --json | jq .results',
  ],
  interruptible: true,
  async run({ sources, repo, on, scratch, json }, context) {
    if (sources.length === 0) throw usageError('rebuild', 'Name source packages.');
    const open = await loadBuilders(context.config);
    const repoFiles = repo.length > 0 ? repo.map((file) => resolve(file)) : open.builders.repositories;
    if (repoFiles.length === 0) {
      throw new NightlyError('usage', 'There are no repositories to make a build root of.', {
        hint: 'Name .repo files with --repo, or as builders.repositories.',
      });
    }
    const folder = join(open.config.work, 'rebuild');
    await makeFolder(folder);
    const lock = await takeRunLock(folder, 'rebuild');
    try {
      return await withSteps(folder, context, async (runner) => {
        const request = { sources, repoFiles, scratch, on };
        let results: Rebuilt[] = [];
        await runner.step('rebuild', {}, async (task) => {
          results = await rebuildAll(open, request, task);
          return {};
        });
        if (json) printJson({ results: results.map(asJson) }, context.print);
        else for (const one of results) printRebuilt(one, folder, context.print);
        return exitCodeFor(results);
      });
    } finally {
      await lock.release();
    }
  },
});

function asJson(one: Rebuilt): object {
  if ('result' in one) return { source: one.source, ...RESULT.encode(one.result) };
  const { code, message, hint } = one.error;
  return { source: one.source, error: { code, message, hint } };
}

function printRebuilt(one: Rebuilt, folder: string, print: Printer): void {
  if ('error' in one) {
    print(formatError(one.error));
    return;
  }
  const { job, outcome, builder, packages, log } = one.result;
  const attempt = join(folder, 'jobs', job, log.path, '..');
  print(`${one.source} ${outcome === 'built' ? 'was built' : 'does not build'} on ${builder}, job ${job}`);
  for (const { file, header } of packages) print(`  ${header}  ${join(attempt, 'packages', file)}`);
  if (outcome === 'failed') print(`  log: ${join(folder, 'jobs', job, log.path)}`);
}

function exitCodeFor(results: readonly Rebuilt[]): number {
  const errors = results.flatMap((one) => ('error' in one ? [one.error] : []));
  const [first] = errors;
  if (first !== undefined) return exitCodeOfError(first);
  return results.every((one) => 'result' in one && one.result.outcome === 'built') ? EXIT.done : EXIT.failed;
}
