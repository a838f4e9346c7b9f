import { EXIT } from '../../build/outcomes.ts';
import { checkBuilder } from '../../pipelines/rebuild.ts';
import { rebuildFolder } from '../../rebuild/rebuild-folder.ts';
import { defineCommand } from '../define.ts';
import { flag, needed } from '../inputs.ts';
import { loadBuilders } from '../open-builders.ts';
import { printJson } from '../print.ts';
import { withSteps } from '../with-steps.ts';

/** `atomic-nightly builders check NAME`: what is installed and what runs on a builder, compared with what is known to be good. */
export const buildersCheck = defineCommand({
  name: 'builders check',
  summary: 'compare what is installed and what runs on a builder with what is known to be good',
  arguments: { name: needed('NAME', 'machine of the configuration') },
  options: { json: flag('for scripts') },
  exitCodes: { 0: 'it may have jobs', 1: 'it cannot be reached, or has another host key', 12: 'it is refused' },
  notes: 'It proves nothing against root there, who can answer for another machine: docs/rebuilds.md says what does.',
  examples: ['atomic-nightly builders check alpha', 'atomic-nightly builders check alpha --json | jq .findings'],
  interruptible: true,
  async run({ name, json }, context) {
    const open = await loadBuilders(context.config);
    return withSteps(rebuildFolder(open.config.work), context, async (runner) => {
      const verdict = await runner.step(`check-${name}`, {}, (task) => checkBuilder(open, name, task));
      const { findings } = verdict;
      if (json) printJson({ builder: name, ok: findings.length === 0, findings }, context.print);
      else if (findings.length === 0) context.print(`${name} is as it should be; it may have jobs.`);
      else {
        context.print(`${name} is refused:`);
        for (const { message } of findings) context.print(`  ${message}`);
      }
      return findings.length === 0 ? EXIT.done : EXIT.gateFailed;
    });
  },
});
