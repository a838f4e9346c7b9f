import { resolve } from 'node:path';
import { updateLab } from '../../lab/build-lab.ts';
import { defineCommand } from '../define.ts';
import { flag, needed, rest, words } from '../inputs.ts';
import { printLab } from '../print-lab.ts';
import { withSteps } from '../with-steps.ts';

export const labUpdate = defineCommand({
  name: 'lab update',
  summary: 'publish changes for the next nightly build',
  arguments: {
    folder: needed('DIR', 'folder of the lab', 'folder'),
    packages: rest('PACKAGE', 'packages to publish a newer release of'),
  },
  options: {
    kernel: flag('publish a newer kernel'),
    remove: words('PACKAGE', 'remove packages from the repositories'),
    json: flag('for scripts'),
  },
  interruptible: true,
  async run({ folder, json, ...changes }, context) {
    const dir = resolve(folder);
    const lab = await withSteps(dir, context, (runner) =>
      runner.step('lab-update', changes, (task) => updateLab({ dir, ...changes }, task)),
    );
    printLab(lab, json, context.print);
    return 0;
  },
});
