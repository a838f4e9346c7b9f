import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sha256 } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { applyPublish } from '../../src/publish/apply.ts';
import { verifyPublished } from '../../src/publish/fresh-client.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { publishCommit } from '../../src/publish/publish-commit.ts';
import { publishFiles, remadeImages, updateRecord } from '../../src/publish/publish-files.ts';
import { planPublish } from '../../src/publish/publish-plan.ts';
import { openSentLog } from '../../src/publish/sent-log.ts';
import { summaryRefs } from '../../src/publish/summary.ts';
import { formatSums } from '../../src/published/sha256sums.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import type { Target } from '../../src/targets/target.ts';
import { anyRecord } from '../support/any-record.ts';
import { serveFolder } from '../support/nginx.ts';
import { commitTestTree, makeRepo, TEST_REF, TEST_TIME, type TestCommit, testTree } from '../support/ostree-repo.ts';
import { expectRacesWon } from '../support/race.ts';
import { startRsyncd } from '../support/rsyncd.ts';
import { startSshd } from '../support/sshd.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

/** A local repository, an empty target behind nginx, and what a step does with them. */
async function bed(open?: (dir: string, far: string, url: string) => Promise<Target>) {
  const dir = temporaryFolder();
  const [near, far] = [join(dir, 'near'), join(dir, 'far')];
  await mkdir(near);
  await mkdir(far);
  const repo = await makeRepo(near);
  const { url, stop } = await serveFolder({ root: far });
  onTestFinished(stop);
  const target = open ? await open(dir, far, url) : openTarget({ type: 'directory', name: 'dir', path: far, url });
  const task = testTask(dir);
  const publish = async (commit: string, ref = TEST_REF): Promise<number> => {
    const plan = await planPublish({ repo, ref, commit, target }, task);
    await applyPublish(plan, { repo, target, log: NO_LOG }, task);
    return plan.phases.reduce((sum, { paths }) => sum + paths.length, 0);
  };
  const verify = (commit: string, ref = TEST_REF) =>
    verifyPublished({ url: `${url}/repo`, ref, commit, gpgKeys: [], scratchDir: join(dir, 'scratch') }, task);
  const commitOf = (commit: Omit<TestCommit, 'repo'>) => commitTestTree({ repo, ...commit });
  return { dir, repo, far, url, target, task, publish, verify, commitOf };
}

async function sshTarget(dir: string, far: string, url: string): Promise<Target> {
  const { port, identityFile, knownHostsFile } = await startSshd(join(dir, 'sshd'), { rrsync: far });
  const ssh = { port, identityFile, knownHostsFile };
  return openTarget({ type: 'rsync', name: 'far', destination: 'root@127.0.0.1:/', ssh, url });
}

async function daemonTarget(dir: string, far: string, url: string): Promise<Target> {
  const { destination, passwordFile } = await startRsyncd(join(dir, 'rsyncd'), far);
  return openTarget({ type: 'rsync', name: 'far', destination, ssh: {}, passwordFile, url });
}

it.each([
  ['directory', undefined],
  ['rsync over ssh', sshTarget],
  ['rsync daemon', daemonTarget],
])(
  'I6: publishes two nights to a %s; a stranger pulls each',
  async (_, open) => {
    const { far, publish, verify, commitOf } = await bed(open);
    const before = testTree(60);
    const first = await commitOf({ tree: before, version: '20260101_01' });
    expect(await publish(first)).toBeGreaterThan(60);
    await verify(first);
    const tree = { ...before, 'usr/d1/e1/f1': 'changed' };
    const second = await commitOf({ tree, parent: first, timestamp: TEST_TIME + 1, version: '20260102_01' });
    // One file, four folders, the commit.
    expect(await publish(second)).toBe(6);
    await verify(second);
    await run('ostree', [`--repo=${join(far, 'repo')}`, 'fsck', '--quiet']);
    // Again: nothing to send, nothing to change.
    const summary = await readFile(join(far, 'repo/summary'));
    expect(await publish(second)).toBe(0);
    expect(await readFile(join(far, 'repo/summary'))).toEqual(summary);
  },
  120_000,
);

describe('while somebody prunes', () => {
  const epoch = (content: object) => Buffer.from(JSON.stringify(content));
  const deleting = { token: 't', host: 'mirror', pid: 7, since: '2026-01-01T00:00:00Z' };

  it('I1: what a prune took between sending and moving the ref is sent again', async () => {
    const { dir, repo, far, target, task, verify, commitOf } = await bed();
    const commit = await commitOf({ tree: testTree(5), version: '20260101_01' });
    let prunes = 0;
    const pruned: Target = {
      ...target,
      // A prune from elsewhere that comes and goes as soon as the commit has arrived.
      async send(root, paths, options, sending) {
        const stats = await target.send(root, paths, options, sending);
        if (prunes > 0 || !paths.some((path) => path.endsWith('.commit'))) return stats;
        prunes += 1;
        for await (const { path } of target.list('repo/objects', task)) await target.remove([path], task);
        await writeFile(join(far, 'prune.json'), epoch({ epoch: 1 }));
        return stats;
      },
    };
    const request = { repo, ref: TEST_REF, commit, target: pruned, notes: join(dir, 'sent') };
    expect(await publishCommit({ ...request, log: NO_LOG }, task)).toMatchObject({ to: commit, epoch: '{"epoch":1}' });
    expect(task.lines.join('\n')).toContain('was pruned meanwhile');
    expect(prunes).toBe(1);
    await verify(commit);
  });

  it('nothing is planned while it deletes, and no ref moves', async () => {
    const { dir, repo, far, target, task, commitOf } = await bed();
    const commit = await commitOf({ tree: testTree(5) });
    const plan = await planPublish({ repo, ref: TEST_REF, commit, target }, task);
    await writeFile(join(far, 'prune.json'), epoch({ epoch: 0, deleting }));
    const locked = { code: 'locked', message: expect.stringContaining('process 7 on mirror') };
    await expect(applyPublish(plan, { repo, target, log: NO_LOG }, task)).rejects.toMatchObject(locked);
    expect(existsSync(join(far, 'repo/refs'))).toBe(false);
    const request = { repo, ref: TEST_REF, commit, target, notes: join(dir, 'sent') };
    await expect(publishCommit({ ...request, log: NO_LOG }, task)).rejects.toMatchObject(locked);
  });
});

it('I4: what a killed publish has sent is remembered for targets that cannot see it', async () => {
  const dir = temporaryFolder();
  const file = join(dir, 'notes/sent');
  const log = await openSentLog(file);
  await log.add(['repo/objects/aa/1.filez', 'repo/objects/aa/2.filez']);
  await writeFile(file, `${await readFile(file, 'utf8')}repo/objects/aa/3.fi`);
  const again = await openSentLog(file);
  expect(['1', '2', '3'].map((name) => again.has(`repo/objects/aa/${name}.filez`))).toEqual([true, true, false]);
  await again.add(['repo/objects/aa/3.filez']);
  expect((await openSentLog(file)).has('repo/objects/aa/3.filez')).toBe(true);
  await again.clear();
  expect(existsSync(file)).toBe(false);
});

describe('summary', () => {
  it('is what ostree itself would write', async () => {
    const { far, publish, commitOf, target, task } = await bed();
    await publish(await commitOf({ tree: { a: '1' }, version: '20260101_01' }));
    await publish(await commitOf({ tree: { b: '1' }, ref: 'test/aarch64/x' }), 'test/aarch64/x');
    const ours = await target.read('repo/summary', task);
    const raw = async () => (await run('ostree', [`--repo=${join(far, 'repo')}`, 'summary', '--raw'])).stdout;
    const withoutTime = (text: string) => text.replace(/('ostree.summary.last-modified': <uint64 )\d+/, '$1');
    const printed = await raw();
    await run('ostree', [`--repo=${join(far, 'repo')}`, 'summary', '--update']);
    expect(withoutTime(printed)).toBe(withoutTime(await raw()));
    expect(ours).toHaveLength((await readFile(join(far, 'repo/summary'))).length);
  });

  it('names the refs of the target, never those of the local repository', async () => {
    const { repo, publish, commitOf, target, task } = await bed();
    const one = await commitOf({ tree: { a: '1' } });
    const two = await commitOf({ tree: { b: '1' }, ref: 'other' });
    await run('ostree', [`--repo=${repo}`, 'refs', '--create=private', one]);
    await publish(one);
    await publish(two, 'other');
    const summary = await target.read('repo/summary', task);
    expect(summary && summaryRefs(summary)).toEqual(
      new Map([
        ['other', two],
        [TEST_REF, one],
      ]),
    );
  });
});

describe('the configuration of a repository that is there', () => {
  const config = (far: string, text: string) => writeFile(join(far, 'repo/config'), text);

  it('is read as ostree reads it', async () => {
    const { far, publish, verify, commitOf } = await bed();
    const first = await commitOf({ tree: testTree(5), version: '20260101_01' });
    await publish(first);
    await config(far, '# ours\n [core] \nmode = bare\n repo_version=1\n\tmode =\tarchive-z2\n[other]\nmode=bare\n');
    await run('ostree', [`--repo=${join(far, 'repo')}`, 'fsck', '--quiet']);
    const second = await commitOf({
      tree: testTree(6),
      parent: first,
      timestamp: TEST_TIME + 1,
      version: '20260102_01',
    });
    await publish(second);
    await verify(second);
  });

  it('that clients cannot use over HTTP is refused', async () => {
    const { far, publish, commitOf } = await bed();
    const first = await commitOf({ tree: testTree(5), version: '20260101_01' });
    await publish(first);
    const second = await commitOf({
      tree: testTree(6),
      parent: first,
      timestamp: TEST_TIME + 1,
      version: '20260102_01',
    });
    for (const text of [
      '[core]\nmode = bare-user\n',
      '[core]\nrepo_version=1\n',
      '[x]\nmode=archive\n',
      '#mode=archive\n',
    ]) {
      await config(far, text);
      await expect(publish(second)).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringContaining('not in archive mode'),
      });
    }
  });

  it('that names a collection takes only commits that are bound to it', async () => {
    const { far, publish, commitOf } = await bed();
    const first = await commitOf({ tree: testTree(5), version: '20260101_01' });
    await publish(first);
    await config(far, '[core]\nrepo_version=1\nmode=archive-z2\ncollection-id = org.example.Os\n');
    const second = await commitOf({
      tree: testTree(6),
      parent: first,
      timestamp: TEST_TIME + 1,
      version: '20260102_01',
    });
    const refused = { code: 'unsupported', message: expect.stringContaining('org.example.Os') };
    await expect(publish(second)).rejects.toMatchObject(refused);
    expect((await readFile(join(far, `repo/refs/heads/${TEST_REF}`), 'utf8')).trim()).toBe(first);
    // Said by the summary alone, it counts as well: clients read that.
    await run('ostree', [`--repo=${join(far, 'repo')}`, 'summary', '--update']);
    await config(far, '[core]\nrepo_version=1\nmode=archive-z2\n');
    await expect(publish(second)).rejects.toMatchObject(refused);
  });
});

describe('refusals', () => {
  it('I5: refuses an older commit and a lower build id', async () => {
    const { publish, commitOf } = await bed();
    const now = await commitOf({ tree: { a: '1' }, timestamp: TEST_TIME + 100, version: '20260101_99' });
    await publish(now);
    const older = await commitOf({ tree: { a: '2' }, timestamp: TEST_TIME, parent: now });
    await expect(publish(older)).rejects.toMatchObject({ code: 'target-older' });
    const at = { timestamp: TEST_TIME + 200, parent: now };
    const lower = await commitOf({ tree: { a: '2' }, ...at, version: '20260101_98' });
    await expect(publish(lower)).rejects.toMatchObject({ code: 'target-older' });
    await publish(await commitOf({ tree: { a: '2' }, ...at, version: '20260101_100' }));
  });

  it('I5: only what takes back the build that is there may have a lower build id', async () => {
    const { publish, commitOf } = await bed();
    const bad = await commitOf({ tree: { a: '1' }, timestamp: TEST_TIME + 100, version: '20280101_01' });
    await publish(bad);
    const back = (retracted: string) =>
      commitOf({
        ...{ tree: { a: '0' }, timestamp: TEST_TIME + 200, parent: bad, version: '20260101_01' },
        metadata: { 'atomic-nightly.retracts': `'${retracted}'` },
      });
    await expect(publish(await back('20271231_01'))).rejects.toMatchObject({ code: 'target-older' });
    await publish(await back('20280101_01'));
  });

  it('refuses a commit that does not follow what the target has, unless that was expected', async () => {
    const { repo, target, task, publish, commitOf } = await bed();
    const first = await commitOf({ tree: { a: '1' } });
    await publish(first);
    const stranger = await commitOf({ tree: { a: '2' }, timestamp: TEST_TIME + 1 });
    await expect(publish(stranger)).rejects.toMatchObject({ code: 'target-moved' });
    const request = { repo, ref: TEST_REF, commit: stranger, target };
    expect(await planPublish({ ...request, expected: first }, task)).toMatchObject({ from: first, to: stranger });
    const wrong = planPublish({ ...request, expected: stranger.replace(/^./, '0') }, task);
    await expect(wrong).rejects.toMatchObject({ code: 'target-moved' });
  });

  it('does not take a ref file that was garbled meanwhile for the work of another publisher', async () => {
    const { repo, far, target, task, publish, commitOf } = await bed();
    const first = await commitOf({ tree: { a: '1' } });
    await publish(first);
    const commit = await commitOf({ tree: { a: '2' }, parent: first, timestamp: TEST_TIME + 1 });
    const plan = await planPublish({ repo, ref: TEST_REF, commit, target }, task);
    for (const content of ['', 'garbled\n']) {
      await writeFile(join(far, 'repo/refs/heads', TEST_REF), content);
      await expect(applyPublish(plan, { repo, target, log: NO_LOG }, task)).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringMatching(/is empty|does not hold a commit/),
      });
    }
  });

  it('sends a commit with a parent to a target that is new', async () => {
    const { publish, verify, commitOf } = await bed();
    const commit = await commitOf({
      tree: { a: '1' },
      parent: await commitOf({ tree: { a: '0' } }),
      timestamp: TEST_TIME + 1,
    });
    await publish(commit);
    await verify(commit);
  });

  it.each([
    ['a signed summary', { 'repo/summary.sig': 'x', 'repo/config': '[core]\nmode=archive\n' }],
    ['no summary', { 'repo/config': '[core]\nmode=archive\n' }],
    ['a bare mode', { 'repo/config': '[core]\nmode=bare\n' }],
  ])('leaves a repository of somebody else with %s alone', async (_, files) => {
    const { far, publish, commitOf } = await bed();
    await mkdir(join(far, 'repo'));
    for (const [path, content] of Object.entries(files)) await writeFile(join(far, path), content);
    const commit = await commitOf({ tree: { a: '1' } });
    await expect(publish(commit)).rejects.toMatchObject({ code: 'unsupported' });
    expect(existsSync(join(far, 'repo/refs'))).toBe(false);
  });

  it('names the object when the local commit is not whole', async () => {
    const { repo, publish, commitOf } = await bed();
    const commit = await commitOf({ tree: { a: '1' } });
    const { stdout } = await run('find', [join(repo, 'objects'), '-name', '*.filez']);
    await rm(stdout.trim());
    await expect(publish(commit)).rejects.toMatchObject({ code: 'ostree', message: expect.stringContaining('.filez') });
  });
});

it('lets one of two publishers of a ref win; both refs of publishers of two appear', async () => {
  await expectRacesWon(await bed());
});

it('fetches folders of the published commit that are not here over the public URL', async () => {
  const { repo, publish, verify, commitOf } = await bed();
  const tree = testTree(30);
  const first = await commitOf({ tree });
  await publish(first);
  const second = await commitOf({ tree: { ...tree, 'usr/d1/e1/f1': 'new' }, parent: first, timestamp: TEST_TIME + 1 });
  // As on a machine that never had the first night.
  await cp(repo, `${repo}.all`, { recursive: true });
  await rm(repo, { recursive: true });
  await run('ostree', [`--repo=${repo}`, 'init', '--mode=archive']);
  await run('ostree', [`--repo=${repo}`, 'pull-local', '--depth=0', `${repo}.all`, second]);
  expect(await publish(second)).toBe(6);
  await verify(second);
  await run('ostree', [`--repo=${repo}`, 'fsck', '--quiet']);
});

it('I6: verification fails on another commit, a missing object, a dead server', async () => {
  const { dir, far, task, publish, verify, commitOf } = await bed();
  const commit = await commitOf({ tree: { a: '1' } });
  await publish(commit);
  const { stdout } = await run('find', [join(far, 'repo/objects'), '-name', '*.filez']);
  await rm(stdout.trim());
  await expect(verify(commit)).rejects.toMatchObject({ code: 'verify' });
  const request = { url: 'http://127.0.0.1:1/repo', ref: TEST_REF, commit, gpgKeys: [], scratchDir: dir };
  await expect(verifyPublished(request, task)).rejects.toMatchObject({ code: 'verify' });
}, 60_000);

it('I6: a cache that still serves the old night is waited for, but not for ever', async () => {
  const { dir, url, task, publish, commitOf } = await bed();
  const first = await commitOf({ tree: { a: '1' } });
  const second = await commitOf({ tree: { a: '2' }, parent: first, timestamp: TEST_TIME + 1 });
  await publish(first);
  const scratchDir = join(dir, 'scratch');
  const request = { url: `${url}/repo`, ref: TEST_REF, commit: second, gpgKeys: [], scratchDir };
  const stale = { code: 'verify', message: expect.stringContaining(`a fresh client got ${first}`) };
  await expect(verifyPublished({ ...request, cacheSeconds: 0 }, task)).rejects.toMatchObject(stale);
  const waiting = verifyPublished({ ...request, cacheSeconds: 30 }, task);
  await expect.poll(() => task.lines.filter((line) => line.includes('waiting for a cache')).length).toBeGreaterThan(0);
  await publish(second);
  await waiting;
});

it('I16: of what is published only an image that was made anew is replaced, and the list of checksums says which was', async () => {
  const { dir, far, target, task } = await bed();
  const near = join(dir, 'near');
  await mkdir(join(near, 'builds/1/images'), { recursive: true });
  const [image, lockfile] = ['builds/1/images/a.img', 'builds/1/lockfile.json'];
  const publishThem = async (contents: { image: string; lockfile: string }) => {
    await writeFile(join(near, image), contents.image);
    await writeFile(join(near, lockfile), contents.lockfile);
    const sums = [
      { path: 'images/a.img', sha256: sha256(contents.image) },
      { path: 'lockfile.json', sha256: sha256(contents.lockfile) },
    ];
    await writeFile(join(near, 'builds/1/SHA256SUMS'), formatSums(sums));
    const remade = await remadeImages('builds/1', sums, target, task);
    const records = ['builds/1/SHA256SUMS'];
    await publishFiles(near, { fixed: [image, lockfile], remade, records }, target, task);
  };
  const there = async (path: string) => readFile(join(far, path), 'utf8');
  await publishThem({ image: 'image one', lockfile: 'lock one' });
  await publishThem({ image: 'image two', lockfile: 'lock one' });
  expect(await there(image)).toBe('image two');
  const differs = { code: 'target-differs' };
  await expect(publishThem({ image: 'image two', lockfile: 'lock two' })).rejects.toMatchObject(differs);
  expect(await there(lockfile)).toBe('lock one');

  // Damaged over there under the digest it was published with: that is for somebody to look at.
  await writeFile(join(far, image), 'image TWO');
  const again = { image: 'image two', lockfile: 'lock one' };
  await expect(publishThem(again)).rejects.toMatchObject(differs);
  await writeFile(join(far, 'builds/1/SHA256SUMS'), 'no list');
  await expect(publishThem(again)).rejects.toMatchObject(differs);
  // Killed before its list came: nobody was told of it yet.
  await rm(join(far, 'builds/1/SHA256SUMS'));
  await publishThem(again);
  expect(await there(image)).toBe('image two');
});

it('sends records and changes a shared index without losing anybody else', async () => {
  const { dir, far, target, task } = await bed();
  await mkdir(join(dir, 'near/builds/1'), { recursive: true });
  for (const name of ['image', 'meta.json']) await writeFile(join(dir, 'near/builds/1', name), name);
  const files = { fixed: ['builds/1/image'], records: ['builds/1/meta.json'] };
  await publishFiles(join(dir, 'near'), files, target, task);
  expect(await readFile(join(far, 'builds/1/meta.json'), 'utf8')).toBe('meta.json');
  const add = (name: string) =>
    updateRecord(anyRecord<string[]>('builds/builds.json'), (old) => [...(old ?? []), name].sort(), target, task);
  await Promise.all(['a', 'b', 'c'].map(add));
  expect(JSON.parse(await readFile(join(far, 'builds/builds.json'), 'utf8'))).toEqual(['a', 'b', 'c']);
});
