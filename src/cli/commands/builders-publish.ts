import { join } from 'node:path';
import { rebuildFolder } from '../../rebuild/rebuild-folder.ts';
import { publishResults } from '../../steps/rebuild/publish-results.ts';
import { defineCommand } from '../define.ts';
import { flag } from '../inputs.ts';
import { loadRebuilds } from '../open-builders.ts';
import { printJson } from '../print.ts';
import { withSteps } from '../with-steps.ts';

/** `atomic-nightly builders publish`: the repositories of rebuilt packages have what is accepted, and nothing else. */
export const buildersPublish = defineCommand({
  name: 'builders publish',
  summary: 'sign and publish the packages of accepted results, and take away what is disputed since',
  options: { json: flag('for scripts') },
  notes:
    'Nothing of a scratch build, of a dispute, or of a result that another operator has to confirm is ever published.',
  examples: ['atomic-nightly builders publish'],
  interruptible: true,
  async run({ json }, context) {
    const config = await loadRebuilds(context.config);
    return withSteps(join(rebuildFolder(config.work), 'publish'), context, async (runner) => {
      const published = await runner.step('publish', {}, (task) => publishResults(config, task));
      if (json) printJson(published, context.print);
      else {
        for (const folder of published.changed) context.print(`changed: ${folder}`);
        context.print(`${published.packages} packages are published.`);
      }
      return 0;
    });
  },
});
