import { join, resolve } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import { EXIT } from '../../build/outcomes.ts';
import { markRebuilt, type Rebuilt, rebuild as rebuildAll } from '../../pipelines/rebuild.ts';
import { rebuildFolder } from '../../rebuild/rebuild-folder.ts';
import { RESULT } from '../../rebuild/result.ts';
import { takeRunLock } from '../../run/run-lock.ts';
import type { Accepted } from '../../steps/rebuild/accept-result.ts';
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
    due: flag('also what was drawn to be built by another operator, as far as its time has come'),
    json: flag('the results for scripts, on standard output'),
  },
  exitCodes: {
    0: 'all were built',
    1: 'a build failed, or no machine could be reached',
    12: 'every machine was refused, or a result is disputed',
  },
  notes: 'A machine gets nothing of a job before it has passed its check.',
  examples: [
    'atomic-nightly rebuild hello-2.12-1.src.rpm',
    'atomic-nightly rebuild ./srpms --repo /etc/yum.repos.d/fedora.repo --on alpha',
    'atomic-nightly rebuild --due',
    'atomic-nightly rebuild https://mirror.example.org/hello-2.12-1.src.rpm --scratch --json | jq .results',
  ],
  interruptible: true,
  async run({ sources, repo, on, scratch, due, json }, context) {
    if (sources.length === 0 && !due) throw usageError('rebuild', 'Name source packages, or use --due.');
    const open = await loadBuilders(context.config);
    const repoFiles = repo.length > 0 ? repo.map((file) => resolve(file)) : open.builders.repositories;
    if (repoFiles.length === 0) {
      throw new NightlyError('usage', 'There are no repositories to make a build root of.', {
        hint: 'Name .repo files with --repo, or as builders.repositories.',
      });
    }
    const folder = rebuildFolder(open.config.work);
    await makeFolder(folder);
    const lock = await takeRunLock(folder, 'rebuild');
    try {
      return await withSteps(folder, context, async (runner) => {
        const request = { sources, repoFiles, scratch, on, due: due ? Date.now() / 1000 : undefined };
        let results: Rebuilt[] = [];
        await runner.step('rebuild', {}, async (task) => {
          results = await rebuildAll(open, request, task);
          return {};
        });
        if (json) printJson({ results: results.map(asJson) }, context.print);
        else if (results.length === 0) context.print('Nothing that was drawn is due.');
        else for (const one of results) printRebuilt(one, folder, context.print);
        // After that: whoever was told nothing because this was killed is told the next time.
        await markRebuilt(open, results);
        return exitCodeFor(results);
      });
    } finally {
      await lock.release();
    }
  },
});

function asJson(one: Rebuilt): object {
  if ('result' in one) {
    const { standing, disputes, duplicate } = one.accepted ?? {};
    return {
      source: one.source,
      ...RESULT.encode(one.result),
      standing,
      disputes,
      'duplicate-from': duplicate?.notBefore,
    };
  }
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
  for (const line of standingLines(one.accepted)) print(`  ${line}`);
}

function standingLines(accepted: Accepted | undefined): string[] {
  if (accepted === undefined) return [];
  const { standing, duplicate, disputes } = accepted;
  const from = duplicate && new Date(duplicate.notBefore * 1000).toISOString();
  return [
    `standing: ${standing}`,
    ...(from === undefined
      ? []
      : [`another operator has to build the same: "atomic-nightly rebuild --due", from ${from} on`]),
    ...disputes.map((id) => `look at it: "atomic-nightly disputes show ${id}"`),
  ];
}

/** Results that a person has to look at before anything of them is used. */
const REFUSED: ReadonlySet<string | undefined> = new Set(['disputed', 'rejected']);

function exitCodeFor(results: readonly Rebuilt[]): number {
  const errors = results.flatMap((one) => ('error' in one ? [one.error] : []));
  const [first] = errors;
  if (first !== undefined) return exitCodeOfError(first);
  if (results.some((one) => 'result' in one && REFUSED.has(one.accepted?.standing))) return EXIT.gateFailed;
  return results.every((one) => 'result' in one && one.result.outcome === 'built') ? EXIT.done : EXIT.failed;
}
