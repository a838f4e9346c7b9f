import { existsSync } from 'node:fs';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../../src/programs/exec.ts';
import { beginDeleting } from '../../../src/publish/epoch.ts';
import { verifyPublished } from '../../../src/publish/fresh-client.ts';
import { NO_LOG } from '../../../src/publish/log/logged.ts';
import { moveRef } from '../../../src/publish/move-ref.ts';
import { dryPrune } from '../../../src/publish/prune/prune-target.ts';
import { tombstone } from '../../../src/publish/prune/tombstone.ts';
import { openTarget } from '../../../src/targets/open-target.ts';
import type { Target } from '../../../src/targets/target.ts';
import { everyCase } from '../../support/every-case.ts';
import { commitTestTree, makeClient, makeRepo, TEST_REF, testTree } from '../../support/ostree-repo.ts';
import { DAY, nightId, noon, pruneBed, retention } from '../../support/prune-bed.ts';
import { startRsyncd } from '../../support/rsyncd.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const object = (commit: string, type: string): string =>
  `repo/objects/${commit.slice(0, 2)}/${commit.slice(2)}.${type}`;

/** Nights 0 to `count` - 1, each with one file of its own and one changed. */
async function nights(bed: Awaited<ReturnType<typeof pruneBed>>, count: number): Promise<string[]> {
  const commits: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const tree = { ...testTree(40), [`usr/own/f${n}`]: `only ${n}\n`, 'usr/changed': `${n}\n` };
    commits.push(await bed.night(n, tree, commits.at(-1)));
  }
  return commits;
}

async function daemonTarget(dir: string, far: string, url: string): Promise<Target> {
  const { destination, passwordFile } = await startRsyncd(join(dir, 'rsyncd'), far);
  return openTarget({ type: 'rsync', name: 'far', destination, ssh: {}, passwordFile, url });
}

it('writes the tombstone that ostree writes', async () => {
  const dir = temporaryFolder();
  const repo = await makeRepo(dir);
  await run('ostree', [`--repo=${repo}`, 'config', 'set', 'core.tombstone-commits', 'true']);
  const commit = await commitTestTree({ repo, tree: { a: '1' } });
  await run('ostree', [`--repo=${repo}`, 'prune', `--delete-commit=${commit}`]);
  const theirs = await readFile(join(dir, object(commit, 'tombstone-commit')));
  expect(Buffer.from(tombstone(commit))).toEqual(theirs);
});

it.each([['directory', undefined], ...(everyCase ? [['rsync daemon', daemonTarget] as const] : [])] as const)(
  'gives up, waits, then removes on a %s; clients with and without history pull',
  async (_, open) => {
    const bed = await pruneBed(open);
    const commits = await nights(bed, 5);
    const [first = '', second = '', third = ''] = commits;
    const follower = await makeClient(join(bed.dir, 'follower'), `${bed.url}/repo`);
    await run('ostree', [`--repo=${follower}`, 'pull', 'origin', `${TEST_REF}@${first}`]);
    const policy = retention({ depth: 3 });

    const given = await bed.prune(policy, noon(5));
    expect([...given.plan.decision.waits.keys()].sort()).toEqual([first, second].sort());
    expect(Object.keys((await bed.readFar('builds/retired.json')).commits).sort()).toEqual([first, second].sort());
    expect(existsSync(join(bed.far, 'prune.json'))).toBe(false);
    // Within the grace period nothing more is written.
    const before = await bed.picture();
    await bed.prune(policy, noon(7) - 1);
    expect(await bed.picture()).toBe(before);

    const removed = await bed.prune(policy, noon(7));
    expect([...removed.plan.decision.goes.keys()].sort()).toEqual([first, second].sort());
    expect(await bed.readFar('prune.json')).toEqual({ epoch: 1 });
    expect(await bed.readFar('builds/retired.json')).toEqual({ commits: {}, apart: {}, builds: {} });
    for (const commit of [first, second]) {
      expect(existsSync(join(bed.far, object(commit, 'commit')))).toBe(false);
      expect(await readFile(join(bed.far, object(commit, 'tombstone-commit')))).toEqual(Buffer.from(tombstone(commit)));
    }
    await bed.fsck();
    // Nothing is left that no commit needs: ostree itself finds nothing to remove.
    const left = await run('ostree', [
      `--repo=${join(bed.far, 'repo')}`,
      'prune',
      '--refs-only',
      '--depth=-1',
      '--no-prune',
    ]);
    expect(left.stdout).toContain('No unreachable objects');

    const { url, dir, task } = bed;
    const last = commits.at(-1) ?? '';
    await verifyPublished({ url: `${url}/repo`, ref: TEST_REF, commit: last, gpgKeys: [], scratchDir: dir }, task);
    const whole = await makeClient(join(dir, 'whole'), `${url}/repo`);
    await run('ostree', [`--repo=${whole}`, 'pull', '--depth=-1', 'origin', TEST_REF]);
    expect((await run('ostree', [`--repo=${whole}`, 'log', `origin:${TEST_REF}`])).stdout).toContain(third);
    await run('ostree', [`--repo=${follower}`, 'pull', '--depth=-1', 'origin', TEST_REF]);
    await run('ostree', [`--repo=${follower}`, 'fsck', '--quiet']);

    const again = await bed.picture();
    await bed.prune(policy, noon(20));
    expect(await bed.picture()).toBe(again);
  },
  120_000,
);

it('removes a delta with the commit it leads to, and keeps one that leads away from a removed commit', async () => {
  const bed = await pruneBed();
  const commits = await nights(bed, 4);
  const [first = '', second = '', , last = ''] = commits;
  const far = join(bed.far, 'repo');
  for (const [from, to] of [
    [first, second],
    [first, last],
  ]) {
    await run('ostree', [`--repo=${far}`, 'static-delta', 'generate', `--from=${from}`, `--to=${to}`]);
  }
  await run('ostree', [`--repo=${far}`, 'static-delta', 'generate', '--empty', `--to=${second}`]);
  await run('ostree', [`--repo=${far}`, 'summary', '-u']);
  const client = await makeClient(join(bed.dir, 'client'), `${bed.url}/repo`);
  await run('ostree', [`--repo=${client}`, 'pull', 'origin', `${TEST_REF}@${first}`]);
  await bed.prune(retention({ depth: 1 }), noon(5));
  await bed.prune(retention({ depth: 1 }), noon(8));
  const { stdout } = await run('ostree', [`--repo=${far}`, 'static-delta', 'list']);
  expect(stdout.trim()).toBe(`${first}-${last}`);
  expect((await run('find', [join(far, 'delta-indexes'), '-type', 'f'])).stdout.trim().split('\n')).toHaveLength(1);
  await run('ostree', [`--repo=${client}`, 'pull', '--require-static-deltas', 'origin', TEST_REF]);
  await run('ostree', [`--repo=${client}`, 'fsck', '--quiet']);
});

it('keeps what was promoted, and lets it go once it no longer is', async () => {
  const bed = await pruneBed();
  const [first = '', second = '', , fourth = ''] = await nights(bed, 4);
  await bed.writeFar('builds/promoted.json', { commits: { [second]: { build: nightId(1), release: '1.0' } } });
  // A release that only says in its commit what it was made of.
  const release = await commitTestTree({
    repo: bed.repo,
    tree: testTree(40),
    ref: 'release',
    timestamp: noon(4),
    metadata: { 'atomic-nightly.promotion-of': `'${first}'` },
  });
  await bed.publish(release, 'release');
  const policy = retention([{ pattern: '*', depth: 1 }]);
  await bed.prune(policy, noon(5));
  await bed.prune(policy, noon(8));
  await bed.fsck();
  let clients = 0;
  const pulls = async (commit: string): Promise<void> => {
    clients += 1;
    const client = await makeClient(join(bed.dir, `client-${clients}`), `${bed.url}/repo`);
    await run('ostree', [`--repo=${client}`, 'pull', 'origin', commit]);
    await run('ostree', [`--repo=${client}`, 'fsck', '--quiet']);
  };
  for (const commit of [first, second, fourth]) await pulls(commit);
  expect((await bed.readFar('builds/retired.json')).apart).toEqual(
    Object.fromEntries([first, second].sort().map((commit) => [commit, TEST_REF])),
  );
  await bed.writeFar('builds/promoted.json', { commits: {} });
  await bed.prune(policy, noon(9));
  await bed.prune(policy, noon(12));
  expect(existsSync(join(bed.far, object(second, 'commit')))).toBe(false);
  await bed.fsck();
  await pulls(first);
});

it('takes a commit back that is needed again before its files went', async () => {
  const bed = await pruneBed();
  const [first = ''] = await nights(bed, 3);
  await bed.prune(retention({ depth: 1 }), noon(5));
  await bed.writeFar('builds/promoted.json', { commits: { [first]: {} } });
  // As a prune leaves it that is killed after its very first step.
  await writeFile(join(bed.far, object(first, 'tombstone-commit')), tombstone(first));
  const { plan } = await bed.prune(retention({ depth: 1 }), noon(9));
  expect(plan.decision.stays.has(first)).toBe(true);
  await bed.fsck();
  expect(existsSync(join(bed.far, object(first, 'commit')))).toBe(true);
  const client = await makeClient(join(bed.dir, 'client'), `${bed.url}/repo`);
  await run('ostree', [`--repo=${client}`, 'pull', 'origin', first]);
  expect((await bed.readFar('builds/retired.json')).commits).toEqual({});
});

describe('I8: stops and changes nothing', () => {
  type Bed = Awaited<ReturnType<typeof pruneBed>>;
  const damage: [string, string, (bed: Bed, commits: readonly string[]) => Promise<unknown>][] = [
    [
      'a ref without a policy',
      'config',
      async (bed, [, , last = '']) =>
        moveRef({ log: NO_LOG, repo: bed.repo, ref: 'other', commit: last, target: bed.target }, bed.task),
    ],
    [
      'a ref file without a policy that the summary does not name yet',
      'config',
      (bed, [first = '']) => bed.writeFar('repo/refs/heads/half', `${first}\n`),
    ],
    ['no summary', 'ostree', (bed) => rm(join(bed.far, 'repo/summary'))],
    ['a damaged summary', 'ostree', (bed) => writeFile(join(bed.far, 'repo/summary'), 'garbage')],
    [
      'a cut summary',
      'ostree',
      async (bed) =>
        writeFile(join(bed.far, 'repo/summary'), (await readFile(join(bed.far, 'repo/summary'))).subarray(0, 90)),
    ],
    [
      'no refs at all',
      'ostree',
      async (bed) => {
        await rm(join(bed.far, 'repo/refs/heads/test'), { recursive: true });
        await run('ostree', [`--repo=${join(bed.far, 'repo')}`, 'summary', '-u']);
      },
    ],
    ['a ref whose commit is missing', 'ostree', (bed, [, , last = '']) => rm(join(bed.far, object(last, 'commit')))],
    ['a damaged commit', 'ostree', (bed, [, second = '']) => bed.writeFar(object(second, 'commit'), 'garbage')],
    [
      'a promoted commit that is missing',
      'ostree',
      (bed) => bed.writeFar('builds/promoted.json', { commits: { ['a'.repeat(64)]: {} } }),
    ],
    ['promoted.json that is not JSON', 'ostree', (bed) => bed.writeFar('builds/promoted.json', '{')],
    ['retired.json that is not JSON', 'ostree', (bed) => bed.writeFar('builds/retired.json', '')],
  ];
  it.each(damage)('%s', async (_, code, spoil) => {
    const bed = await pruneBed();
    const commits = await nights(bed, 3);
    await bed.prune(retention({ depth: 1 }), noon(4));
    await spoil(bed, commits);
    const before = await bed.picture();
    await expect(bed.prune(retention({ depth: 1 }), noon(9))).rejects.toMatchObject({ code });
    expect(await bed.picture()).toBe(before);
  });

  it('a folder of a commit that stays is nowhere to be had', async () => {
    const bed = await pruneBed();
    await nights(bed, 3);
    await bed.prune(retention({ depth: 1 }), noon(4));
    const before = (await bed.picture()).split('\n').filter((line) => line.includes('/objects/'));
    const { stdout } = await run('ostree', [`--repo=${bed.repo}`, 'ls', '-d', '-C', TEST_REF, '/usr/own'], {
      okExitCodes: [0, 1],
    });
    expect(stdout).toBe('');
    const tree = (await run('bash', ['-c', `ls ${bed.repo}/objects/*/*.dirtree`])).stdout.trim().split('\n');
    for (const path of tree) {
      await rm(path);
      await rm(path.replace(bed.repo, join(bed.far, 'repo')));
    }
    await expect(bed.prune(retention({ depth: 1 }), noon(9))).rejects.toMatchObject({ code: 'verify' });
    const after = (await bed.picture()).split('\n').filter((line) => line.includes('/objects/'));
    expect(after).toEqual(before.filter((line) => !line.includes('.dirtree')));
    expect(await bed.readFar('prune.json')).toEqual({ epoch: 1 });
  });
});

it('works without the local repository: everything is read from the target', async () => {
  const bed = await pruneBed();
  const commits = await nights(bed, 3);
  await bed.prune(retention({ depth: 1 }), noon(4));
  await rm(bed.repo, { recursive: true });
  await run('ostree', [`--repo=${bed.repo}`, 'init', '--mode=archive']);
  await bed.prune(retention({ depth: 1 }), noon(9));
  await bed.fsck();
  expect(existsSync(join(bed.far, object(commits[0] ?? '', 'commit')))).toBe(false);
  const left = await run('ostree', [
    `--repo=${join(bed.far, 'repo')}`,
    'prune',
    '--refs-only',
    '--depth=-1',
    '--no-prune',
  ]);
  expect(left.stdout).toContain('No unreachable objects');
});

it('a dry run changes nothing and tells what would go now and later', async () => {
  const bed = await pruneBed();
  await nights(bed, 3);
  const before = await bed.picture();
  const { plan, later } = await dryPrune(bed.request(retention({ depth: 1 }), noon(4)), bed.task);
  expect(plan.stages).toEqual([]);
  expect(plan.decision.waits.size).toBe(2);
  expect(await bed.picture()).toBe(before);
  const count = async (): Promise<number> =>
    (await bed.picture()).split('\n').filter((line) => line.includes('/objects/')).length;
  const had = await count();
  await bed.prune(retention({ depth: 1 }), noon(4));
  await bed.prune(retention({ depth: 1 }), noon(9));
  // The two tombstones are new; of two commits no .commitmeta was there.
  expect(had - (await count())).toBe((later?.files ?? 0) - 2 - 2);
  expect(later?.bytes).toBeGreaterThan(100);
});

it('never on the day a commit was made, which its build id still stands for (I3)', async () => {
  const bed = await pruneBed();
  const first = await bed.night(0, { a: '1' });
  await bed.night(1, { a: '2' }, first);
  const policy = { ...retention({ depth: 1 }), graceSeconds: 60 };
  await bed.prune(policy, noon(0) + 60);
  await bed.prune(policy, noon(0) + DAY / 2 - 1);
  expect(existsSync(join(bed.far, object(first, 'commit')))).toBe(true);
  await bed.prune(policy, noon(0) + DAY / 2);
  expect(existsSync(join(bed.far, object(first, 'commit')))).toBe(false);
});

it('one prune at a time: another is told who deletes, and takes over only from the dead', async () => {
  const bed = await pruneBed();
  await nights(bed, 3);
  await bed.prune(retention({ depth: 1 }), noon(4));
  const lock = await beginDeleting(bed.target, bed.task);
  await expect(bed.prune(retention({ depth: 1 }), noon(9))).rejects.toMatchObject({
    code: 'locked',
    message: expect.stringContaining(String(process.pid)),
  });
  const { deleting } = await bed.readFar('prune.json');
  const other = { ...deleting, token: 't', host: 'another.example.org' };
  await bed.writeFar('prune.json', { epoch: 4, deleting: other });
  await expect(lock.check(bed.task)).rejects.toMatchObject({ code: 'locked' });
  await expect(bed.prune(retention({ depth: 1 }), noon(9))).rejects.toMatchObject({ code: 'locked' });
  const yesterday = new Date(Date.now() - 25 * 3600 * 1000).toISOString();
  await bed.writeFar('prune.json', { epoch: 4, deleting: { ...other, since: yesterday } });
  await bed.prune(retention({ depth: 1 }), noon(9));
  expect(await bed.readFar('prune.json')).toEqual({ epoch: 5 });
  await bed.fsck();
});

it('a copy of the target elsewhere is pruned alike: nothing depends on where the first prune ran', async () => {
  const bed = await pruneBed();
  await nights(bed, 4);
  await bed.prune(retention({ depth: 2 }), noon(5));
  const copy = `${bed.far}.copy`;
  await cp(bed.far, copy, { recursive: true });
  const target = openTarget({ type: 'directory', name: 'copy', path: copy, url: bed.url });
  await bed.prune(retention({ depth: 2 }), noon(9), target);
  await run('ostree', [`--repo=${join(copy, 'repo')}`, 'fsck', '--quiet']);
  await bed.prune(retention({ depth: 2 }), noon(9));
  const list = async (root: string) =>
    (await run('bash', ['-c', `cd '${root}/repo/objects' && find . -type f | sort`])).stdout;
  expect(await list(copy)).toBe(await list(bed.far));
});
