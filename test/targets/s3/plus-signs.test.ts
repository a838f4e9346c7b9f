import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { DeleteObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { deltaIndexPath, deltaPath } from '../../../src/ostree/static-deltas.ts';
import { run } from '../../../src/programs/exec.ts';
import { applyPublish } from '../../../src/publish/apply.ts';
import { NO_LOG } from '../../../src/publish/log/logged.ts';
import { planPublish } from '../../../src/publish/publish-plan.ts';
import { openTarget } from '../../../src/targets/open-target.ts';
import { commitTestTree, makeClient, makeRepo, TEST_REF, TEST_TIME, testTree } from '../../support/ostree-repo.ts';
import { sharedRadosgw, whyNoRadosgw } from '../../support/radosgw.ts';
import { makeBucket } from '../../support/s3-bucket.ts';
import { startS3Proxy } from '../../support/s3-proxy.ts';
import { sentLog } from '../../support/sent-log.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

async function bed() {
  const gateway = await sharedRadosgw();
  const proxy = await startS3Proxy(gateway.endpoint);
  const bucket = await makeBucket(gateway, proxy.endpoint);
  const { bucket: Bucket, prefix } = bucket.config;
  const source = temporaryFolder();
  const target = openTarget(bucket.config);
  const task = testTask(source);
  return {
    ...bucket,
    proxy,
    source,
    target,
    task,
    async write(files: Readonly<Record<string, string | Uint8Array>>): Promise<string[]> {
      for (const [path, content] of Object.entries(files)) {
        await mkdir(dirname(join(source, path)), { recursive: true });
        await writeFile(join(source, path), content);
      }
      return Object.keys(files);
    },
    at: (path: string) => ({ Bucket, Key: `${prefix}/${path}` }),
    async keys(): Promise<string[]> {
      const { Contents = [] } = await bucket.client.send(new ListObjectsV2Command({ Bucket }));
      return Contents.map(({ Key = '' }) => Key.slice(prefix.length + 1)).sort();
    },
    async list(folder: string): Promise<Record<string, number>> {
      const found: Record<string, number> = {};
      for await (const { path, bytes } of target.list(folder, task)) {
        expect(found[path], path).toBeUndefined();
        found[path] = bytes;
      }
      return found;
    },
  };
}

/** What a server answers to a path as it stands. */
function rawGet(endpoint: string, path: string): Promise<{ status: number; content: Buffer }> {
  const { hostname, port } = new URL(endpoint);
  return new Promise((resolve, reject) => {
    const asked = request({ hostname, port, path }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, content: Buffer.concat(chunks) }));
    });
    asked.on('error', reject).end();
  });
}

describe.skipIf(whyNoRadosgw())('S3: names with plus signs', () => {
  it('gives the same bytes however a client or a server spells them, of small and of large files', async () => {
    const { config, proxy, source, target, task, write, keys } = await bed();
    const [small, large] = ['repo/deltas/+a/b+c+d/superblock', 'builds/1/disk+x.qcow2'];
    const files = await write({ [small]: randomBytes(500), [large]: randomBytes(17 * 2 ** 20), 'repo/plain': '1' });
    const sent = sentLog();
    const stats = await target.send(source, files, { immutable: true, sent }, task);
    expect(stats).toEqual({ files: 3, bytes: 500 + 17 * 2 ** 20 + 1 });
    expect([...sent.paths].sort()).toEqual([...files].sort());
    expect(await keys()).toEqual([...files, 'repo/deltas/ a/b c d/superblock', 'builds/1/disk x.qcow2'].sort());
    // Amazon's is played by a proxy.
    const amazon = await startS3Proxy(proxy.endpoint, { plusIsBlank: true });
    for (const path of [small, large]) {
      const content = await readFile(join(source, path));
      for (const [endpoint, spelled] of [
        [proxy.endpoint, '+'],
        [proxy.endpoint, '%2B'],
        [proxy.endpoint, '%20'],
        [amazon.endpoint, '+'],
        [amazon.endpoint, '%2B'],
      ] as const) {
        const asked = `/${config.bucket}/${config.prefix}/${path.replaceAll('+', spelled)}`;
        const answer = await rawGet(endpoint, asked);
        expect([answer.status, answer.content.equals(content)], asked).toEqual([200, true]);
      }
    }
    expect(await target.read(small, task)).toEqual(await readFile(join(source, small)));
  });

  it('lists a file once, as damaged when a key is gone or another; removes all keys of it', async () => {
    const { source, target, task, client, at, write, keys, list } = await bed();
    const files = ['a+b/c', 'a+b/d+', 'a+b/e', 'f+f', 'plain'].map((name) => `repo/${name}`);
    await target.send(
      source,
      await write(Object.fromEntries(files.map((path) => [path, 'xyz']))),
      { immutable: true },
      task,
    );
    const whole = Object.fromEntries(files.map((path) => [path, 3]));
    expect(await list('repo')).toEqual(whole);
    expect(await list('repo/a+b')).toEqual({ 'repo/a+b/c': 3, 'repo/a+b/d+': 3, 'repo/a+b/e': 3 });
    await client.send(new DeleteObjectCommand(at('repo/a b/c')));
    await client.send(new PutObjectCommand({ ...at('repo/a b/d '), Body: 'x' }));
    await client.send(new DeleteObjectCommand(at('repo/a+b/e')));
    await client.send(new PutObjectCommand({ ...at('repo/of somebody else'), Body: 'x' }));
    const { 'repo/a+b/e': _, ...left } = whole;
    const strange = { 'repo/a b/e': 3, 'repo/of somebody else': 1 };
    expect(await list('repo')).toEqual({ ...left, 'repo/a+b/c': 0, 'repo/a+b/d+': 0, ...strange });
    await target.remove(files, task);
    expect(await keys()).toEqual(['repo/of somebody else']);
  });

  it('ostree pulls by static deltas from a server that takes a plus sign for a blank', async () => {
    const { config, proxy, source, target, task } = await bed();
    const repo = await makeRepo(source);
    const tree = testTree(60);
    const first = await commitTestTree({ repo, tree });
    const publish = async (commit: string, deltas: string[]): Promise<void> => {
      await applyPublish(
        await planPublish({ repo, ref: TEST_REF, commit, target, deltas }, task),
        { repo, target, log: NO_LOG },
        task,
      );
    };
    await publish(first, []);
    const amazon = await startS3Proxy(proxy.endpoint, { plusIsBlank: true });
    const client = await makeClient(
      join(source, 'client'),
      `${amazon.endpoint}/${config.bucket}/${config.prefix}/repo`,
    );
    const pull = (...args: string[]) => run('ostree', [`--repo=${client}`, 'pull', ...args, 'origin', TEST_REF]);
    await pull();
    let second = first;
    for (let n = 1; !(deltaPath(first, second).includes('+') && deltaIndexPath(second).includes('+')); n += 1) {
      const changed = { ...tree, 'usr/d1/e1/f1': `changed ${n}` };
      second = await commitTestTree({ repo, tree: changed, parent: first, timestamp: TEST_TIME + n });
    }
    await run('ostree', [`--repo=${repo}`, 'static-delta', 'generate', `--from=${first}`, `--to=${second}`]);
    await run('ostree', [`--repo=${repo}`, 'static-delta', 'reindex', `--to=${second}`]);
    await publish(second, [first]);
    await pull('--require-static-deltas');
    expect((await run('ostree', [`--repo=${client}`, 'rev-parse', `origin:${TEST_REF}`])).stdout.trim()).toBe(second);
    await run('ostree', [`--repo=${client}`, 'fsck', '--quiet']);
    // It did ask for the delta, and with the signs as they are.
    const asked = amazon.seen.map(({ path }) => path);
    expect(asked.filter((path) => path.endsWith(`/repo/${deltaPath(first, second)}/superblock`))).toHaveLength(1);
    expect(asked.filter((path) => path.endsWith(`/repo/${deltaIndexPath(second)}`))).toHaveLength(1);
  });
});
