import { argv, resourceUsage, stdout } from 'node:process';
import { planPublish, planSize } from '../../src/publish/plan.ts';
import type { Target } from '../../src/targets/target.ts';
import { quietTask } from './quiet-task.ts';

/** Plans one publish to a target that has nothing, or a commit: a process of its own, whose memory can be told. */
const [repo = '', commit = '', from] = argv.slice(2);
const task = quietTask();
const target: Partial<Target> = {
  name: 'none',
  readMany: async () => [from === undefined ? undefined : Buffer.from(`${from}\n`), undefined],
};
const begun = performance.now();
const plan = await planPublish({ repo, ref: 'bench/x86_64/nightly', commit, target: target as Target }, task);
const seconds = (performance.now() - begun) / 1000;
stdout.write(JSON.stringify({ ...planSize(plan), seconds, peakMb: resourceUsage().maxRSS / 1024 }));
