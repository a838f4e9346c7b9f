import { argv, resourceUsage, stdout } from 'node:process';
import { quietTask } from '../../src/base/task.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { writePlan } from '../../src/publish/plan-file.ts';
import { publishCommit } from '../../src/publish/publish-commit.ts';
import { planSize } from '../../src/publish/publish-phases.ts';
import { planPublish } from '../../src/publish/publish-plan.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import type { Target } from '../../src/targets/target.ts';

/**
 * Plans one publish to a target that has nothing, or a commit; or, given a folder, publishes to it and keeps the plan. A
 * process of its own, whose memory can be told.
 */
const [repo = '', commit = '', from = '', into = ''] = argv.slice(2);
const task = quietTask();
const request = { repo, ref: 'bench/x86_64/nightly', commit };
const plan = into === '' ? await planned() : await published();
const { userCPUTime, systemCPUTime, maxRSS } = resourceUsage();
stdout.write(
  JSON.stringify({ ...planSize(plan), cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakMb: maxRSS / 1024 }),
);

function planned() {
  const target: Partial<Target> = {
    name: 'none',
    readWithLinks: async () => ({
      contents: [from === '' ? undefined : Buffer.from(`${from}\n`), undefined],
      links: new Map(),
    }),
  };
  return planPublish({ ...request, target: target as Target }, task);
}

async function published() {
  const target = openTarget({ type: 'directory', name: 'folder', path: into, url: 'http://127.0.0.1:1' });
  const done = await publishCommit({ log: NO_LOG, ...request, target, notes: `${into}.sent` }, task);
  await writePlan(`${into}.json`, done);
  return done;
}
