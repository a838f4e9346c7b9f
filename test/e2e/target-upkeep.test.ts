import { rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isSound } from '../../src/publish/reconcile/reconcile-plan.ts';
import { planReconcile, reconcileTarget } from '../../src/publish/reconcile/reconcile-target.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import type { Target } from '../../src/targets/target.ts';
import { TEST_REF, testTree } from '../support/ostree-repo.ts';
import { noon, pruneBed, retention } from '../support/prune-bed.ts';
import { publishedTarget } from '../support/published-target.ts';
import { filesEnding, fsck, publishRepairs } from '../support/reconcile.ts';
import { startRsyncd } from '../support/rsyncd.ts';
import { startSshd } from '../support/sshd.ts';
import { accessOf, rsyncOverSsh, tarOverSsh, URL } from '../support/target-beds.ts';
import { temporaryFolder } from '../support/tmp.ts';

const TARGETS: readonly (readonly [string, (dir: string, far: string) => Promise<Target>])[] = [
  ['ssh', async (dir, far) => tarOverSsh(accessOf(await startSshd(join(dir, 'sshd'))), far)],
  [
    'rsync to an account without a shell',
    async (dir, far) => rsyncOverSsh(accessOf(await startSshd(join(dir, 'sshd'), { rrsync: far })), 'root@127.0.0.1:/'),
  ],
  [
    'an rsync daemon',
    async (dir, far) => {
      const { destination, passwordFile } = await startRsyncd(join(dir, 'rsyncd'), far);
      return openTarget({ type: 'rsync', name: 'far', destination, ssh: {}, passwordFile, url: URL });
    },
  ],
];

describe.each(TARGETS)('upkeep over %s', (_, open) => {
  it('removes the oldest of three nights and nothing that the others need', async () => {
    const bed = await pruneBed(open);
    const commits: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      commits.push(await bed.night(n, { ...testTree(10), ...testTree(60, 5, `night ${n}`) }, commits.at(-1)));
    }
    const policy = retention({ depth: 2 });
    await bed.prune(policy, noon(3));
    const before = await filesEnding(bed.far, '.filez');
    const { plan } = await bed.prune(policy, noon(6));
    expect([...plan.decision.goes.keys()]).toEqual([commits[0]]);
    expect(before.length - (await filesEnding(bed.far, '.filez')).length).toBeGreaterThan(20);
    expect(await filesEnding(bed.far, '.commit')).toHaveLength(2);
    await bed.fsck();
  });

  it('gives back what was deleted, cut short or stale, and finds nothing more to do', async () => {
    const dir = temporaryFolder();
    const bed = await publishedTarget(dir, { open: (far) => open(dir, far) });
    const request = {
      ...{ repo: bed.repo, target: bed.target, refs: [TEST_REF], streams: ['nightly'] },
      ...{ signed: false, checksums: false },
    };
    expect(isSound(await planReconcile(request, bed.task))).toBe(true);
    const [gone = '', cut = ''] = await filesEnding(bed.far, '.filez');
    await rm(gone);
    await truncate(cut, 3);
    await expect(fsck(bed.far)).rejects.toThrow(/corrupt/);
    const partial = () => filesEnding(join(bed.far, 'repo/state'), '.commitpartial');
    expect(await partial()).not.toEqual([]);
    await rm(join(bed.far, 'repo/summary'));
    expect(isSound(await planReconcile(request, bed.task))).toBe(false);
    const { unrepairable, foreign } = await reconcileTarget(request, publishRepairs(bed), bed.task);
    expect({ unrepairable, foreign }).toEqual({ unrepairable: [], foreign: [] });
    expect(await partial()).toEqual([]);
    await fsck(bed.far);
    expect(isSound(await planReconcile(request, bed.task))).toBe(true);
  });
});
