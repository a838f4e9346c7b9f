import { formatCount } from '../../base/format.ts';
import { formatVkey } from '../../log/note-keys.ts';
import { isQuorum } from '../../log/policy.ts';
import { censusOf } from '../../publish/log/check-log.ts';
import { logHead, openLog, readLogHead } from '../../publish/log/log-files.ts';
import { logStatePath, readLogState } from '../../publish/log/log-state.ts';
import { requireContinues } from '../../publish/log/same-log.ts';
import { readPolicy } from '../../publish/log/witness-log.ts';
import { targetsNamed } from '../../run/streams-on.ts';
import { openLogKey } from '../../signing/log-key.ts';
import { openTarget } from '../../targets/open-target.ts';
import { defineCommand } from '../define.ts';
import { flag, optional } from '../inputs.ts';
import { loadLoggedConfig } from '../open-log.ts';
import { printJson } from '../print.ts';
import { withSteps } from '../with-steps.ts';

export const logCheck = defineCommand({
  name: 'log check',
  summary: 'read all of the release log: signatures, every tile and entry, and what this machine signed',
  arguments: { target: optional('TARGET', 'home of the log, or one with a copy; default: its home', 'target') },
  options: { json: flag('for scripts') },
  exitCodes: { 0: 'it is whole', 1: 'it is not' },
  examples: ['atomic-nightly log check', 'atomic-nightly log check mirror'],
  interruptible: true,
  async run({ target: named, json }, context) {
    const config = await loadLoggedConfig(context.config);
    const { log, work } = config;
    const [target] = targetsNamed(config, named ?? log.home).map(openTarget);
    if (target === undefined) throw new RangeError('a target that is there was not found');
    const [key, policy] = [await openLogKey(log), await readPolicy(log)];
    const found = await withSteps(work, context, (runner) =>
      runner.step('log-check', {}, async (task) => {
        const head = await readLogHead(target, { log: key }, task);
        const tree = await openLog(target, head, task);
        const state = await readLogState(logStatePath(work), log.origin);
        // What is still to arrive is no fault of the log; a copy may be behind.
        const hasArrived = state !== undefined && (!state.pending || tree.size >= state.signed.size);
        const known = hasArrived ? state.signed : state?.pending?.from;
        if (known && (target.name === log.home || known.size <= tree.size)) {
          await requireContinues(known, tree, { target, seenAt: 'this machine signed' });
        }
        const census = await censusOf(tree, task);
        const keys = { log: key, witnesses: policy?.witnesses.map((one) => one.key) ?? [] };
        const { cosigned } = logHead(head.note, keys, target).checkpoint;
        const isWitnessed = policy === undefined || isQuorum(policy.quorum, cosigned);
        const problems = [
          ...census.problems,
          ...(isWitnessed ? [] : ['Too few witnesses have cosigned its checkpoint.']),
        ];
        return { size: tree.size, root: tree.root.toString('base64'), kinds: census.kinds, problems };
      }),
    );
    const ok = found.problems.length === 0;
    if (json) printJson({ target: target.name, origin: log.origin, key: formatVkey(key), ok, ...found }, context.print);
    else {
      const kinds = Object.entries(found.kinds).map(([kind, count]) => `${kind} ${count}`);
      context.print(
        `${ok ? 'ok    ' : 'not ok'} ${log.origin} on ${target.name}: ${formatCount(found.size, 'entry', 'entries')}, root ${found.root}`,
      );
      if (kinds.length > 0) context.print(`  by kind: ${kinds.join(', ')}`);
      for (const problem of found.problems) context.print(`  ${problem}`);
    }
    return ok ? 0 : 1;
  },
});
