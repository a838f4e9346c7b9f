import { resolve } from 'node:path';
import { buildLab } from '../../lab/build-lab.ts';
import { defineCommand } from '../define.ts';
import { flag, needed, text } from '../inputs.ts';
import { printLab } from '../print-lab.ts';
import { withSteps } from '../with-steps.ts';

export const labBuild = defineCommand({
  name: 'lab build',
  summary: 'make or complete the lab distribution: two signed RPM repositories and a treefile',
  arguments: { folder: needed('DIR', 'folder of the lab', 'folder') },
  options: {
    url: text('URL', 'public URL of what is published, without /repo', { default: 'http://127.0.0.1:8087' }),
    json: flag('for scripts'),
  },
  interruptible: true,
  async run({ folder, url: publicUrl, json }, context) {
    const dir = resolve(folder);
    const lab = await withSteps(dir, context, (runner) =>
      runner.step('lab-build', { dir, publicUrl }, (task) => buildLab({ dir, publicUrl }, task)),
    );
    printLab(lab, json, context.print);
    return 0;
  },
});
