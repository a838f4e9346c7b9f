import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { objectPath } from '../../src/ostree/objects.ts';
import { deltaPath } from '../../src/ostree/static-deltas.ts';
import { run } from '../../src/programs/exec.ts';
import { isSound } from '../../src/publish/reconcile/reconcile-plan.ts';
import { planReconcile, type ReconcileRequest, reconcileTarget } from '../../src/publish/reconcile/reconcile-target.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import { makeClient, TEST_REF, testTree } from '../support/ostree-repo.ts';
import { noon, pruneBed, retention } from '../support/prune-bed.ts';
import { publishedTarget } from '../support/published-target.ts';
import { sharedRadosgw, whyNoRadosgw } from '../support/radosgw.ts';
import { publishRepairs } from '../support/reconcile.ts';
import { makeBucket } from '../support/s3-bucket.ts';
import { startS3Proxy } from '../support/s3-proxy.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** An empty bucket behind a proxy that counts; clients read past the proxy. */
async function place() {
  const gateway = await sharedRadosgw();
  const proxy = await startS3Proxy(gateway.endpoint);
  const bucket = await makeBucket(gateway, proxy.endpoint);
  const { bucket: Bucket, prefix, url } = bucket.config;
  const target = openTarget(bucket.config);
  /** Pulls all there is into a fresh repository and checks it. @returns the commits of the ref, newest first. */
  const pullAll = async (client: string): Promise<string[]> => {
    await makeClient(client, `${url}/repo`);
    await run('ostree', [`--repo=${client}`, 'pull', '--depth=-1', 'origin', TEST_REF]);
    await run('ostree', [`--repo=${client}`, 'fsck', '--quiet']);
    const { stdout } = await run('ostree', [`--repo=${client}`, 'log', `origin:${TEST_REF}`]);
    return [...stdout.matchAll(/^commit ([0-9a-f]{64})$/gm)].map(([, commit = '']) => commit);
  };
  return { ...bucket, proxy, target, pullAll, at: (path: string) => ({ Bucket, Key: `${prefix}/${path}` }) };
}

describe.skipIf(whyNoRadosgw())('S3: upkeep', () => {
  it('prunes the oldest of three nights in a few requests; a fresh client pulls all the others', async () => {
    const { proxy, target, pullAll, look } = await place();
    const bed = await pruneBed(async () => target);
    const commits: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      // Each night brings 300 files of its own: more than anybody would delete one by one.
      commits.push(await bed.night(n, { ...testTree(40), ...testTree(340, 5, `night ${n}`) }, commits.at(-1)));
    }
    const [first = '', second = '', third = ''] = commits;
    const policy = retention({ depth: 2 });
    await bed.prune(policy, noon(3));
    expect(await pullAll(join(bed.dir, 'before'))).toEqual([third, second, first]);

    const seen = proxy.seen.length;
    const { plan } = await bed.prune(policy, noon(6));
    expect([...plan.decision.goes.keys()]).toEqual([first]);
    const files = plan.stages.reduce((sum, stage) => sum + stage.files, 0);
    expect(files).toBeGreaterThan(300);
    const requests = proxy.seen.slice(seen).map(({ method, path }) => `${method} ${path.split('/').at(-1)}`);
    const deletes = requests.filter((request) => /^DELETE|^POST .*\?delete/.test(request));
    expect(deletes.every((request) => request.startsWith('POST'))).toBe(true);
    expect(deletes).toHaveLength(plan.stages.length);
    expect(requests.length).toBeLessThan(70);

    await expect(look(`repo/${objectPath(first, 'commit')}`)).rejects.toThrow();
    expect(await pullAll(join(bed.dir, 'after'))).toEqual([third, second]);
    const left: string[] = [];
    for await (const { path } of target.list('repo/objects', bed.task)) left.push(path);
    // Nothing is left that no commit needs: as many as ostree finds in the client, and the tombstone.
    const { stdout } = await run('find', [join(bed.dir, 'after/objects'), '-type', 'f', '-o', '-type', 'l']);
    expect(left).toHaveLength(stdout.trim().split('\n').length + 1);
  });

  it('gives back what was deleted or cut short, deltas under both their keys, and finds nothing more to do', async () => {
    const { client, target, pullAll, look, at, proxy } = await place();
    const dir = temporaryFolder();
    const bed = await publishedTarget(dir, { open: async () => target });
    const request: ReconcileRequest = {
      ...{ repo: bed.repo, target, refs: [TEST_REF], streams: ['nightly'] },
      ...{ signed: false, checksums: false },
    };
    expect(isSound(await planReconcile(request, bed.task))).toBe(true);
    const listed: string[] = [];
    for await (const { path } of target.list('repo/objects', bed.task)) if (path.endsWith('.filez')) listed.push(path);
    const [one = '', two = '', three = '', cut = ''] = listed;
    const commits = bed.builds.map(({ commit }) => commit);
    const delta = `repo/${deltaPath(commits[0], commits[1] ?? '')}/superblock`;
    expect(delta).toContain('+');
    const deltaKey = delta.replaceAll('+', ' ');
    for (const path of [one, two, three, deltaKey]) await client.send(new DeleteObjectCommand(at(path)));
    await client.send(new PutObjectCommand({ ...at(cut), Body: (await readFile(join(bed.work, cut))).subarray(0, 5) }));
    await expect(pullAll(join(dir, 'broken'))).rejects.toThrow();
    // As left behind by a fsck on the machine that was copied into the bucket.
    const partial = `repo/state/${commits[1]}.commitpartial`;
    await client.send(new PutObjectCommand({ ...at(partial), Body: 'f' }));

    const seen = proxy.seen.length;
    const plan = await reconcileTarget(request, publishRepairs(bed), bed.task);
    const sent = proxy.seen.slice(seen).filter(({ method }) => method === 'PUT');
    const files = plan.phases.flatMap((phase) => phase.files.map(({ path }) => path));
    expect(files.sort()).toEqual([one, two, three, cut, delta].sort());
    expect(sent).toHaveLength(6);
    expect(plan.unrepairable).toEqual([]);
    expect(plan.foreign).toEqual([]);
    await expect(look(partial)).rejects.toThrow();
    for (const path of [one, cut, delta, deltaKey]) {
      const whole = await readFile(join(bed.work, path === deltaKey ? delta : path), 'latin1');
      expect((await look(path)).content === whole, path).toBe(true);
    }
    expect(await pullAll(join(dir, 'repaired'))).toEqual([...commits].reverse());
    expect(isSound(await planReconcile(request, bed.task))).toBe(true);
  });
});
