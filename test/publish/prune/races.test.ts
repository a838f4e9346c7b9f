import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { NightlyError } from '../../../src/base/errors.ts';
import { run } from '../../../src/programs/exec.ts';
import { EPOCH_PATH, parseEpoch } from '../../../src/publish/epoch.ts';
import { openTarget } from '../../../src/targets/open-target.ts';
import type { Target } from '../../../src/targets/target.ts';
import { everyCase } from '../../support/every-case.ts';
import { commitTestTree, makeClient, TEST_REF, testTree } from '../../support/ostree-repo.ts';
import { noon, pruneBed, retention } from '../../support/prune-bed.ts';

const script = new URL('../../support/prune-once.ts', import.meta.url).pathname;
const loader = new URL('../../../node_modules/tsx/dist/loader.mjs', import.meta.url).href;
const policy = retention({ depth: 1 });

/** Runs a prune and kills it after it has removed files some times; Infinity lets it end. @returns whether it ended. */
function pruneProcess(args: readonly string[], killAfter: number): Promise<boolean> {
  const child = spawn(process.execPath, ['--import', loader, script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let times = 0;
  child.stdout.on('data', (text: Buffer) => {
    times += text.toString().split('\n').length - 1;
    if (times > killAfter) child.kill('SIGKILL');
  });
  return new Promise((settle) => child.on('close', (code) => settle(code === 0)));
}

/** Two commits to give up, of which the second shares much with the one that stays, and that one. */
async function threeNights(bed: Awaited<ReturnType<typeof pruneBed>>): Promise<string[]> {
  const first = await bed.night(0, { ...testTree(60, 5, 'old'), shared: 'x' });
  const second = await bed.night(1, { ...testTree(60), 'usr/once': 'once', 'usr/deep/er/still/file': 'deep' }, first);
  return [first, second, await bed.night(2, { ...testTree(60), shared: 'x' }, second)];
}

it.each([
  ['with the local repository', false],
  ['with the local repository lost', true],
])(
  'I4: kill -9 in the middle of deletion, then again, ends as if undisturbed, %s',
  async (_, lost) => {
    const bed = await pruneBed();
    await threeNights(bed);
    await bed.prune(policy, noon(4));
    const args = [bed.repo, bed.far, bed.url, String(noon(9)), join(bed.dir, 'scratch')];
    let kills = 0;
    // The last one while folders are being removed, of which the inner ones must go first.
    for (const killAfter of [0, 9, 24]) {
      expect(await pruneProcess(args, killAfter)).toBe(false);
      kills += 1;
      expect(await bed.readFar(EPOCH_PATH)).toMatchObject({ epoch: 0, deleting: { pid: expect.any(Number) } });
      // What the refs name is whole at any moment.
      const client = await makeClient(join(bed.dir, `client-${kills}`), `${bed.url}/repo`);
      await run('ostree', [`--repo=${client}`, 'pull', 'origin', TEST_REF]);
      if (lost) {
        await rm(bed.repo, { recursive: true });
        await run('ostree', [`--repo=${bed.repo}`, 'init', '--mode=archive']);
      }
    }
    expect(await pruneProcess(args, Number.POSITIVE_INFINITY)).toBe(true);
    expect(await bed.readFar(EPOCH_PATH)).toEqual({ epoch: 1 });
    await bed.fsck();
    const left = await run('ostree', [`--repo=${join(bed.far, 'repo')}`, 'prune', '--refs-only', '--depth=-1']);
    expect(left.stdout).toContain('No unreachable objects');
    expect((await bed.readFar('builds/retired.json')).commits).toEqual({});
  },
  120_000,
);

it('goes on after an error in the middle, and lets publishers on meanwhile', async () => {
  const bed = await pruneBed();
  const [, , last = ''] = await threeNights(bed);
  await bed.prune(policy, noon(4));
  let left = 3;
  const failing: Target = {
    ...bed.target,
    remove: async (paths, task) => {
      left -= 1;
      if (left === 0) throw new NightlyError('target-unreachable', 'the network is down');
      await bed.target.remove(paths, task);
    },
  };
  await expect(bed.prune(policy, noon(9), failing)).rejects.toMatchObject({ code: 'target-unreachable' });
  expect(await bed.readFar(EPOCH_PATH)).toEqual({ epoch: 1 });
  await bed.night(9, { ...testTree(60), next: '1' }, last);
  await bed.prune(policy, noon(10));
  await bed.fsck();
});

/**
 * What a publisher adds to its swap (epoch.ts, step 2): here around the target, so that the test has its own say about
 * the protocol, whatever the publisher does.
 */
function publisherOf(target: Target, beforeFlip: () => Promise<unknown>): Target {
  let known: Uint8Array | undefined;
  let flipped = false;
  return {
    ...target,
    send: async (...args) => {
      known ??= await target.read(EPOCH_PATH, args[3]);
      if (known && parseEpoch(known, target).deleting) throw new NightlyError('locked', 'somebody is deleting');
      return target.send(...args);
    },
    swap: async (request, task) => {
      if (!flipped) await beforeFlip();
      flipped = true;
      const now = await target.read(EPOCH_PATH, task);
      if (String(now) !== String(known)) throw new NightlyError('verify', 'somebody pruned meanwhile');
      await target.swap({ ...request, expect: [...request.expect, { path: EPOCH_PATH, content: known }] }, task);
    },
  };
}

it('a publisher that counted on objects a prune has removed since does not move its ref; its next try sends them', async () => {
  const bed = await pruneBed();
  const [, , last = ''] = await threeNights(bed);
  await bed.prune(policy, noon(4));
  // The file of the second night is back: it is on the target, as part of a commit that is about to go.
  const commit = await commitTestTree({
    repo: bed.repo,
    tree: { ...testTree(60), 'usr/once': 'once' },
    parent: last,
    timestamp: noon(9),
  });
  const publisher = publisherOf(bed.target, () => bed.prune(policy, noon(9)));
  await expect(bed.publish(commit, TEST_REF, publisher)).rejects.toMatchObject({ code: 'verify' });
  // The commit that was sent and no ref names lacks them indeed: without the protocol the ref would name it now.
  await expect(bed.fsck()).rejects.toMatchObject({ message: expect.stringContaining(`missing in commits ${commit}`) });
  expect((await readFile(join(bed.far, 'repo/refs/heads', TEST_REF), 'utf8')).trim()).toBe(last);
  await rm(join(bed.far, `repo/state/${commit}.commitpartial`));
  await bed.publish(commit);
  await bed.fsck();
});

it('a ref that moves just before deleting begins keeps its objects', async () => {
  const bed = await pruneBed();
  const [, second = '', last = ''] = await threeNights(bed);
  await bed.prune(policy, noon(4));
  const commit = await commitTestTree({
    repo: bed.repo,
    tree: { ...testTree(60), 'usr/once': 'once' },
    parent: last,
    timestamp: noon(9),
  });
  let published = false;
  const racing: Target = {
    ...bed.target,
    swap: async (request, task) => {
      // The last moment in which a publisher can still move a ref: prune.json is about to say "deleting".
      if (!published && request.put.some(({ path }) => path === EPOCH_PATH)) {
        published = true;
        await bed.publish(commit);
      }
      await bed.target.swap(request, task);
    },
  };
  const { plan } = await bed.prune(policy, noon(9), racing);
  expect(published).toBe(true);
  expect(plan.decision.goes.has(second)).toBe(true);
  expect(plan.decision.stays.has(commit)).toBe(true);
  await bed.fsck();
  const client = await makeClient(join(bed.dir, 'client'), `${bed.url}/repo`);
  await run('ostree', [`--repo=${client}`, 'pull', 'origin', TEST_REF]);
});

it.runIf(everyCase)(
  'publishes of two refs and prunes side by side, again and again: nothing published ever lacks an object',
  async () => {
    const bed = await pruneBed();
    const refs = ['one', 'two'];
    const all = retention([{ pattern: '*', depth: 2 }]);
    const heads = new Map<string, string>();
    let [night, removed] = [0, 0];
    for (; night < 3; night += 1) {
      for (const ref of refs)
        heads.set(ref, await bed.night(night, testTree(20, 5, `${ref} ${night}`), heads.get(ref), ref));
    }
    for (; night < 10; night += 1) {
      const publishing = refs.map(async (ref) => {
        const parent = heads.get(ref) ?? '';
        // Trees come back after three nights, when their old objects are about to go.
        const tree = testTree(20, 5, `${ref} ${night % 4}`);
        const commit = await commitTestTree({ repo: bed.repo, tree, ref, parent, timestamp: noon(night) });
        const target = openTarget({ type: 'directory', name: 'dir', path: bed.far, url: bed.url });
        // Each try as a new run would do it: with another look at prune.json.
        const attempt = () =>
          bed.publish(
            commit,
            ref,
            publisherOf(target, async () => undefined),
          );
        for (let done = false; !done; ) {
          done = await attempt().then(
            () => true,
            (error: unknown) => {
              // Pruned meanwhile as often as a publish looks again: rare, and a new run's to try.
              const codes = /^(verify|target-moved|target-pruned|locked)$/;
              expect(error).toMatchObject({ code: expect.stringMatching(codes) });
              return false;
            },
          );
        }
        heads.set(ref, commit);
      });
      const pruning = bed.prune(all, noon(night)).then(
        ({ plan }) => {
          removed += plan.decision.goes.size;
        },
        (error: unknown) => expect(error).toMatchObject({ code: expect.stringMatching(/^(target-moved|locked)$/) }),
      );
      await Promise.all([...publishing, pruning]);
      await bed.fsck();
    }
    expect(removed).toBeGreaterThan(5);
  },
  120_000,
);
