import { spawn } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../../src/programs/exec.ts';
import { verifyPublished } from '../../../src/publish/fresh-client.ts';
import { NO_LOG } from '../../../src/publish/log/logged.ts';
import { publishCommit } from '../../../src/publish/publish-commit.ts';
import { updateRecord } from '../../../src/publish/publish-files.ts';
import { planSize } from '../../../src/publish/publish-phases.ts';
import { openTarget } from '../../../src/targets/open-target.ts';
import { anyRecord } from '../../support/any-record.ts';
import { everyCase } from '../../support/every-case.ts';
import {
  commitTestTree,
  makeClient,
  makeRepo,
  TEST_REF,
  TEST_TIME,
  type TestCommit,
  testTree,
} from '../../support/ostree-repo.ts';
import { expectRacesWon } from '../../support/race.ts';
import { sharedRadosgw, whyNoRadosgw } from '../../support/radosgw.ts';
import { makeBucket } from '../../support/s3-bucket.ts';
import { type SeenRequest, startS3Proxy } from '../../support/s3-proxy.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

const script = new URL('../../support/s3-publish-once.ts', import.meta.url).pathname;
const loader = new URL('../../../node_modules/tsx/dist/loader.mjs', import.meta.url).href;
const putsObject = ({ method, path }: SeenRequest): boolean => method === 'PUT' && path.includes('/repo/objects/');

/** A local repository, and an empty bucket behind a proxy that counts and disturbs; clients read past the proxy. */
async function bed() {
  const gateway = await sharedRadosgw();
  const proxy = await startS3Proxy(gateway.endpoint);
  const bucket = await makeBucket(gateway, proxy.endpoint);
  const target = openTarget(bucket.config);
  const dir = temporaryFolder();
  await mkdir(join(dir, 'near'));
  const repo = await makeRepo(join(dir, 'near'));
  const task = testTask(dir);
  const publish = async (commit: string, ref = TEST_REF): Promise<number> => {
    const plan = await publishCommit(
      { log: NO_LOG, repo, ref, commit, target, notes: join(dir, `sent-${commit}`) },
      task,
    );
    return planSize(plan).files;
  };
  const url = `${target.publicUrl}/repo`;
  const verify = (commit: string) =>
    verifyPublished({ url, ref: TEST_REF, commit, gpgKeys: [], scratchDir: join(dir, 'scratch') }, task);
  const commitOf = (commit: Omit<TestCommit, 'repo'>) => commitTestTree({ repo, ...commit });
  return { ...bucket, dir, repo, proxy, target, task, url, publish, verify, commitOf };
}

describe.skipIf(whyNoRadosgw())('publishing to S3', () => {
  it('I6: publishes two nights; a plain client pulls the first and then only what is new', async () => {
    const { dir, proxy, url, look, publish, verify, commitOf } = await bed();
    const before = testTree(60);
    const first = await commitOf({ tree: before, version: '20260101_01' });
    expect(await publish(first)).toBeGreaterThan(60);
    await verify(first);
    const client = await makeClient(join(dir, 'client'), url);
    const pull = async (): Promise<string> => {
      await run('ostree', [`--repo=${client}`, 'pull', 'origin', TEST_REF]);
      return (await run('ostree', [`--repo=${client}`, 'rev-parse', `origin:${TEST_REF}`])).stdout.trim();
    };
    expect(await pull()).toBe(first);

    const tree = { ...before, 'usr/d1/e1/f1': 'changed' };
    const second = await commitOf({ tree, parent: first, timestamp: TEST_TIME + 1, version: '20260102_01' });
    const seen = proxy.seen.length;
    // One file, four folders, the commit.
    expect(await publish(second)).toBe(6);
    const night = proxy.seen.slice(seen).map(({ method, path }) => `${method} ${path.split('?')[0]}`);
    expect(night.filter((request) => /^PUT .*\/objects\//.test(request))).toHaveLength(6);
    expect(night.filter((request) => /^(?!GET|PUT)|^GET .*\/objects\//.test(request))).toEqual([]);
    // Next to the objects: what is there is read, and ref, summary and lock are put, however large the repository.
    expect(night.length - 6).toBeLessThan(16);
    await verify(second);
    expect(await pull()).toBe(second);
    await run('ostree', [`--repo=${client}`, 'fsck', '--quiet']);
    const summary = (await look('repo/summary')).content;
    expect(await publish(second)).toBe(0);
    expect((await look('repo/summary')).content).toBe(summary);
  }, 120_000);

  it.runIf(everyCase)(
    'I1: a reader never meets a fault while publishes go on through a bad line',
    async () => {
      const { dir, proxy, url, task, target, publish, verify, commitOf } = await bed();
      let commit = await commitOf({ tree: testTree(40) });
      await publish(commit);
      const commits = new Set([commit]);
      const fates = ['error 500', 'slow down', 'cut before', 'cut midway', 'cut after'] as const;
      proxy.decide((_, index) => (index % 5 === 0 ? (fates[(index / 5) % fates.length] ?? 'pass') : 'pass'));
      const stopped = new AbortController();
      const pulled: string[] = [];
      const reader = (async () => {
        for (let turn = 0; !stopped.signal.aborted; turn += 1) {
          const client = await makeClient(join(dir, `client-${turn}`), url);
          await run('ostree', [`--repo=${client}`, 'pull', '--disable-fsync', 'origin', TEST_REF]);
          pulled.push((await run('ostree', [`--repo=${client}`, 'rev-parse', `origin:${TEST_REF}`])).stdout.trim());
        }
      })();
      for (let night = 1; night <= 4; night += 1) {
        const tree = testTree(40, 5, `night ${night}`);
        commit = await commitOf({ tree, parent: commit, timestamp: TEST_TIME + night });
        commits.add(commit);
        await publish(commit);
        await updateRecord(anyRecord<number[]>('builds/builds.json'), (old) => [...(old ?? []), night], target, task);
      }
      stopped.abort();
      await reader;
      await verify(commit);
      expect(pulled.length).toBeGreaterThan(2);
      for (const seen of pulled) expect(commits).toContain(seen);
      const builds = await target.read('builds/builds.json', task);
      expect(JSON.parse(Buffer.from(builds ?? '').toString())).toEqual([1, 2, 3, 4]);
    },
    240_000,
  );

  it('I4: after SIGKILL amid 400 objects the next publish sends only the rest; nothing is seen before', async () => {
    const { config, dir, repo, proxy, look, verify, commitOf } = await bed();
    const first = await commitOf({ tree: testTree(10) });
    const second = await commitOf({ tree: testTree(400, 20), parent: first, timestamp: TEST_TIME + 1 });
    const notes = join(dir, 'notes/bucket.sent');
    const publishProcess = (commit: string) => {
      const args = ['--import', loader, script, JSON.stringify(config), repo, TEST_REF, commit, notes];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
      const ended = new Promise<string>((settle) => child.on('close', (code, signal) => settle(signal ?? `${code}`)));
      return { child, ended };
    };
    expect(await publishProcess(first).ended).toBe('0');
    const base = proxy.seen.filter(putsObject).length;

    const { child, ended } = publishProcess(second);
    let begun = 0;
    proxy.decide((asked) => {
      if (putsObject(asked)) begun += 1;
      if (begun === 250) child.kill('SIGKILL');
      return 'pass';
    });
    expect(await ended).toBe('SIGKILL');
    const noted = (await readFile(notes, 'utf8')).split('\n').filter((line) => line !== '');
    expect(new Set(noted).size).toBe(noted.length);
    // What had arrived is noted by the hundred.
    expect(noted.length).toBeGreaterThanOrEqual(100);
    expect(noted.length).toBeLessThan(250);
    expect((await look(`repo/refs/heads/${TEST_REF}`)).content).toBe(`${first}\n`);
    await verify(first);

    const sentBefore = proxy.seen.filter(putsObject).length - base;
    expect(await publishProcess(second).ended).toBe('0');
    const sentAfter = proxy.seen.filter(putsObject).length - base - sentBefore;
    const { stdout } = await run('find', [join(repo, 'objects'), '-type', 'f']);
    const toSend = stdout.trim().split('\n').length - base;
    expect(toSend).toBeGreaterThan(400);
    expect(sentAfter).toBe(toSend - noted.length);
    await verify(second);
    // The notes are of no more use.
    await expect(readFile(notes)).rejects.toMatchObject({ code: 'ENOENT' });
  }, 120_000);

  it('lets one of two publishers of a ref win; the refs of publishers of several all appear', async () => {
    await expectRacesWon(await bed());
  }, 120_000);
});
