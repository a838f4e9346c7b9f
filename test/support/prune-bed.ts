import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { RefPolicy, TargetRetention } from '../../src/config/config.ts';
import { run } from '../../src/programs/exec.ts';
import { applyPublish } from '../../src/publish/apply.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { type PruneResult, pruneTarget } from '../../src/publish/prune/prune-target.ts';
import { planPublish } from '../../src/publish/publish-plan.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import type { Target } from '../../src/targets/target.ts';
import { serveFolder } from './nginx.ts';
import { commitTestTree, makeRepo, TEST_REF, TEST_TIME, type TestCommit } from './ostree-repo.ts';
import { temporaryFolder, testTask } from './tmp.ts';

export const DAY = 86_400;

/** Noon of the nth day. */
export const noon = (night: number): number => TEST_TIME + night * DAY + DAY / 2;

/** Build id of the nth day. */
export const nightId = (night: number): string =>
  `${new Date(noon(night) * 1000).toISOString().slice(0, 10).replaceAll('-', '')}_01`;

/** A policy for the test ref, or those given. */
export function retention(policy: Partial<RefPolicy> | readonly RefPolicy[], graceDays = 2): TargetRetention {
  const refs = Array.isArray(policy) ? policy : [{ pattern: TEST_REF, ...policy }];
  return { refs, graceSeconds: graceDays * DAY };
}

/** A local repository and a target behind nginx, to publish nights to and prune by a clock of the test's own. */
export async function pruneBed(open?: (dir: string, far: string, url: string) => Promise<Target>) {
  const dir = temporaryFolder();
  const [near, far] = [join(dir, 'near'), join(dir, 'far')];
  await mkdir(near);
  await mkdir(far);
  const repo = await makeRepo(near);
  const { url, stop } = await serveFolder({ root: far });
  onTestFinished(stop);
  const target = open ? await open(dir, far, url) : openTarget({ type: 'directory', name: 'dir', path: far, url });
  const task = testTask(dir);
  const publish = async (commit: string, ref = TEST_REF, to = target): Promise<void> => {
    const plan = await planPublish({ repo, ref, commit, target: to }, task);
    await applyPublish(plan, { repo, target: to, log: NO_LOG }, task);
  };
  const request = (policy: TargetRetention, now: number, on = target) => ({
    log: NO_LOG,
    target: on,
    retention: policy,
    repo,
    scratchDir: join(dir, 'scratch'),
    now,
  });
  /** Commits the tree of the nth night and publishes it. */
  const night = async (n: number, tree: TestCommit['tree'], parent?: string, ref = TEST_REF): Promise<string> => {
    const commit = await commitTestTree({
      repo,
      tree,
      ref,
      timestamp: noon(n),
      version: nightId(n),
      ...(parent === undefined ? {} : { parent }),
    });
    await publish(commit, ref);
    return commit;
  };
  return {
    dir,
    repo,
    far,
    url,
    target,
    task,
    publish,
    night,
    request,
    prune: (policy: TargetRetention, now: number, on = target): Promise<PruneResult> =>
      pruneTarget(request(policy, now, on), task),
    /** `ostree fsck` of what is published. */
    fsck: () => run('ostree', [`--repo=${join(far, 'repo')}`, 'fsck', '--quiet']),
    writeFar: async (path: string, content: unknown): Promise<void> => {
      await mkdir(dirname(join(far, path)), { recursive: true });
      await writeFile(join(far, path), typeof content === 'string' ? content : JSON.stringify(content));
    },
    readFar: async (path: string) => JSON.parse(await readFile(join(far, path), 'utf8')),
    /** Every file of the target with its content, to see that nothing changed. */
    picture: async (): Promise<string> =>
      (await run('bash', ['-c', `cd '${far}' && find . -type f ! -name .atomic-nightly.lock | sort | xargs sha256sum`]))
        .stdout,
  };
}
