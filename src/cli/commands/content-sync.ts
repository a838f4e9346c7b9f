import type { NightlyError } from '../../base/errors.ts';
import { EXIT } from '../../build/outcomes.ts';
import type { Config } from '../../config/config.ts';
import { findTags } from '../../content/find-tags.ts';
import { openKoji } from '../../content/open-koji.ts';
import { prepareContent, signerOf, type TagContent } from '../../pipelines/prepare-content.ts';
import { syncTags, type TagResult } from '../../pipelines/sync-tags.ts';
import { selectListener } from '../../reports/progress/select-listener.ts';
import { targetsClock } from '../../steps/compose/clock.ts';
import { leftLines } from '../../steps/content/left-folders.ts';
import { defineCommand, usageError } from '../define.ts';
import { exitCodeOfError } from '../exit-code.ts';
import { flag, negation, rest } from '../inputs.ts';
import { askingTask, chosenTags, loadContent, tagFault } from '../open-content.ts';
import { warn } from '../open-run.ts';
import { formatError, type Printer, printJson } from '../print.ts';

/** `atomic-nightly content sync [TAG…]`: makes the repositories of tags equal to them. Gives the exit code. */
export const contentSync = defineCommand({
  name: 'content sync',
  summary: 'make the repositories of tags equal to what koji has in them: sign, import, publish, remove',
  arguments: { tags: rest('TAG', 'tags of koji that a rule is for') },
  options: {
    all: flag('every tag that a rule is for'),
    dryRun: flag('print what would be added, removed and signed; change nothing'),
    push: negation('sign, import, make and check, but send nothing'),
    acceptRemovals: flag('remove more than content.removal-limit allows'),
    json: flag('the result for scripts, on standard output'),
  },
  exitCodes: {
    0: 'every tag is as in koji',
    1: 'one failed; the others are done',
    10: 'nothing had changed',
    12: 'more would be removed than content.removal-limit allows',
  },
  notes: 'Run it again after a failure or a kill to do what is left. Nothing is signed twice.',
  examples: [
    'atomic-nightly content sync storage8-ceph-release',
    'atomic-nightly content sync --all --dry-run',
    'atomic-nightly content sync --all --no-push --json | jq .tags',
  ],
  interruptible: true,
  async run({ tags: names, all, dryRun, push, acceptRemovals, json }, context) {
    if (all === names.length > 0) throw usageError('content sync', 'Name tags, or give --all.');
    const { signal, print, logFormat } = context;
    const open = await loadContent(context.config);
    const task = askingTask(signal, (line) => warn([line], logFormat));
    const hub = openKoji(open.koji, task);
    try {
      const found = await findTags(hub, open.content);
      const tags = chosenTags(found, names, all);
      const sends = push && open.content.push && !dryRun;
      // What is removed from targets goes by the clock.
      const now = sends ? await targetsClock(open.config, signal) : Math.floor(Date.now() / 1000);
      const options = { ...open, hub, acceptRemovals, now, push: sends };
      if (dryRun)
        return await printPlans(
          tags.map((assigned) => ({ ...options, assigned })),
          { json, print, signal },
        );
      const shown = selectListener(logFormat, process.stderr);
      const results = await syncTags(tags, { ...options, listen: shown.listen }, task).finally(shown.close);
      const faults = all ? found.faults.map((fault) => ({ tag: fault.tag, error: tagFault(fault) })) : [];
      printResults([...results, ...faults], { json, print, config: open.config });
      return exitCode([...results, ...faults]);
    } finally {
      await hub.close();
    }
  },
});

async function printPlans(
  contents: readonly TagContent[],
  { json, print, signal }: { readonly json: boolean; readonly print: Printer; readonly signal: AbortSignal },
): Promise<number> {
  const plans = [];
  for (const of of contents) {
    const { plan } = await prepareContent(
      of,
      signerOf(of),
      askingTask(signal, () => undefined),
    );
    const { tag, event, add, remove, blocked, refused } = plan;
    const sign = plan.sign.map(({ file }) => file);
    plans.push({ tag, event, add, remove, sign, blocked, refused });
    if (json) continue;
    print(`${tag}, event ${event}: ${add.length} to add, ${remove.length} to remove, ${sign.length} to sign`);
    for (const file of add) print(`  + ${file}`);
    for (const file of remove) print(`  - ${file}`);
    for (const { file, why } of blocked) print(`  ! ${file}: ${why}`);
    if (refused !== undefined) print(`  refused: ${refused}`);
  }
  if (json) printJson({ tags: plans }, print);
  return plans.some(({ refused }) => refused !== undefined) ? EXIT.gateFailed : EXIT.done;
}

function printResults(
  results: readonly TagResult[],
  { json, print, config }: { readonly json: boolean; readonly print: Printer; readonly config: Config },
): void {
  if (json) {
    printJson(
      {
        tags: results.map((one) =>
          'outcome' in one ? one.outcome : { tag: one.tag, state: 'failed', ...asJson(one.error) },
        ),
      },
      print,
    );
    return;
  }
  for (const one of results) {
    if ('error' in one) {
      print(`${one.tag}: failed\n${formatError(one.error)}`);
      continue;
    }
    const { tag, state, event, added, removed, blocked } = one.outcome;
    const changes = state === 'unchanged' ? '' : `, ${added} added, ${removed} removed`;
    print(`${tag}: ${state}${changes} (event ${event})`);
    for (const { file, why } of blocked) print(`  not published: ${file}: ${why}`);
    for (const line of leftLines(one.outcome, config)) print(`  ${line}`);
  }
}

const asJson = ({ code, message, hint }: NightlyError) => ({ code, message, hint });

/** What went worst, in the words of I7: a failure, the configuration, a limit, another run. */
function exitCode(results: readonly TagResult[]): number {
  const codes = results.flatMap((one) => ('error' in one ? [exitCodeOfError(one.error)] : []));
  const worst = [EXIT.failed, EXIT.usage, EXIT.gateFailed, EXIT.locked].find((code) => codes.includes(code));
  if (worst !== undefined) return worst;
  const isUnchanged = results.every((one) => 'outcome' in one && one.outcome.state === 'unchanged');
  return isUnchanged ? EXIT.unchanged : EXIT.done;
}
