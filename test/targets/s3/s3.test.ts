import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { ListMultipartUploadsCommand, PutBucketPolicyCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import type { S3TargetConfig } from '../../../src/config/config.ts';
import { openTarget } from '../../../src/targets/open-target.ts';
import type { Target } from '../../../src/targets/target.ts';
import { sharedRadosgw, useKeys, whyNoRadosgw } from '../../support/radosgw.ts';
import { makeBucket, type TestBucket } from '../../support/s3-bucket.ts';
import { type S3Proxy, startS3Proxy } from '../../support/s3-proxy.ts';
import { sentLog } from '../../support/sent-log.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';
import { lockLifePasses } from '../../support/watched-lock.ts';

const missing = whyNoRadosgw();
const bytes = (text: string): Uint8Array => Buffer.from(text);

interface Bed extends TestBucket {
  readonly source: string;
  readonly target: Target;
  readonly proxy: S3Proxy;
  readonly task: ReturnType<typeof testTask>;
  /** Writes source files. @returns their paths. */
  write(files: Readonly<Record<string, string | Uint8Array>>): Promise<string[]>;
  /** Methods of the requests since the last time, with how often each came. */
  requests(): Record<string, number>;
}

/** A target in a fresh bucket of the gateway, behind a proxy that counts. */
async function bed(signal?: AbortSignal): Promise<Bed> {
  const gateway = await sharedRadosgw();
  const proxy = await startS3Proxy(gateway.endpoint);
  const bucket = await makeBucket(gateway, proxy.endpoint);
  const source = temporaryFolder();
  let from = 0;
  return {
    ...bucket,
    source,
    proxy,
    target: openTarget(bucket.config),
    task: testTask(source, signal),
    async write(files) {
      for (const [path, content] of Object.entries(files)) {
        await mkdir(dirname(join(source, path)), { recursive: true });
        await writeFile(join(source, path), content);
      }
      return Object.keys(files);
    },
    requests() {
      const counts: Record<string, number> = {};
      for (const { method } of proxy.seen.slice(from)) counts[method] = (counts[method] ?? 0) + 1;
      from = proxy.seen.length;
      return counts;
    },
  };
}

const keyOf = ({ bucket, prefix }: S3TargetConfig, path: string) => ({ Bucket: bucket, Key: `${prefix}/${path}` });

const manyFiles = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`repo/objects/${n % 10}/${n}.filez`, `object ${n}`]));

describe.skipIf(missing)(`S3 by radosgw${missing ? ` (${missing})` : ''}`, () => {
  it('sends each file by one PUT, and asks nothing about what is there', async () => {
    const { source, target, task, write, requests } = await bed();
    const files = await write(manyFiles(250));
    expect(await target.send(source, files, { immutable: true }, task)).toMatchObject({ files: 250 });
    expect(requests()).toEqual({ PUT: 250 });
  });

  it('stores content types, and how long caches may keep what', async () => {
    const { source, target, task, write, look } = await bed();
    const files = { 'repo/objects/aa/1.filez': 'one', 'builds/1/disk.qcow2': 'image', 'builds/builds.json': '{}' };
    await target.send(source, await write(files), { immutable: true }, task);
    await target.send(source, await write({ 'builds/1/SHA256SUMS.asc': 'sig' }), { immutable: false }, task);
    await target.swap(
      {
        expect: [],
        put: [
          { path: 'repo/refs/heads/x', content: bytes('c') },
          { path: 'repo/summary.sig', content: bytes('s') },
        ],
      },
      task,
    );
    const year = 'public, max-age=31536000, immutable';
    const minute = 'public, max-age=60';
    const octets = 'application/octet-stream';
    for (const [path, cache, type] of [
      ['repo/objects/aa/1.filez', year, octets],
      ['builds/1/disk.qcow2', year, octets],
      ['builds/builds.json', minute, 'application/json'],
      ['builds/1/SHA256SUMS.asc', minute, 'application/pgp-signature'],
      ['repo/refs/heads/x', minute, octets],
      ['repo/summary.sig', minute, octets],
    ]) {
      expect(await look(path ?? ''), path).toMatchObject({ cache, type });
    }
  });

  it('I4: goes on where a killed publish stopped, and looks at mutable files anew', async () => {
    const { source, target, task, write, requests } = await bed();
    const files = await write(manyFiles(250));
    const sent = sentLog();
    await target.send(source, files.slice(0, 180), { immutable: true, sent }, task);
    expect(sent.batches.length).toBeGreaterThan(1);
    expect(sent.paths.size).toBe(180);
    requests();
    expect(await target.send(source, files, { immutable: true, sent }, task)).toMatchObject({ files: 70 });
    expect(requests()).toEqual({ PUT: 70 });
    await target.send(source, files.slice(0, 3), { immutable: false, sent }, task);
    expect(requests()).toEqual({ PUT: 3 });
  });

  it('sends large files in parts, side by side with small ones', async () => {
    const { source, config, client, target, task, write, look, requests } = await bed();
    const image = randomBytes(50 * 2 ** 20 + 5);
    const files = await write({ 'builds/1/image': image, 'builds/1/empty': '', 'builds/1/small': 'x' });
    const stats = await target.send(source, files, { immutable: true }, task);
    expect(stats).toEqual({ files: 3, bytes: image.length + 1 });
    // Whether each is there; begin, seven parts, finish; two small ones.
    expect(requests()).toEqual({ HEAD: 3, POST: 2, PUT: 9 });
    const found = await look('builds/1/image');
    expect(createHash('md5').update(found.content, 'latin1').digest('hex')).toBe(
      createHash('md5').update(image).digest('hex'),
    );
    expect(found.cache).toContain('immutable');
    expect((await look('builds/1/empty')).content).toBe('');
    expect((await client.send(new ListMultipartUploadsCommand({ Bucket: config.bucket }))).Uploads ?? []).toEqual([]);
  });

  it('tries again after errors, throttling and cuts, says so, and leaves no wrong object', async () => {
    const { source, target, task, write, look, proxy, requests } = await bed();
    const large = randomBytes(20 * 2 ** 20);
    const files = { ...manyFiles(100), 'builds/1/image': large };
    const fates = ['error 500', 'slow down', 'cut before', 'cut midway', 'cut after'] as const;
    // Every third request goes wrong, in turn in each way; also the beginning and the finishing of the parts.
    proxy.decide((_, index) => (index % 3 === 0 ? (fates[(index / 3) % fates.length] ?? 'pass') : 'pass'));
    const stats = await target.send(source, await write(files), { immutable: true }, task);
    expect(stats.files).toBe(101);
    const { PUT = 0 } = requests();
    expect(PUT).toBeGreaterThan(135);
    expect(task.lines.join('\n')).toMatch(/bucket: (HEAD|PUT|POST) \S.* met .*, trying again/);
    expect(task.lines.length).toBeLessThan(5);
    proxy.decide(() => 'pass');
    for (const [path, content] of Object.entries(files)) {
      expect((await look(path)).content === Buffer.from(content).toString('latin1'), path).toBe(true);
    }
  }, 120_000);

  it('gives up on a server that stays broken, and then tells what arrived', async () => {
    const { source, target, task, write, proxy } = await bed();
    const files = await write(manyFiles(40));
    const broken = files.at(-1) ?? '';
    proxy.decide(({ path }) => (path.includes(broken) ? 'error 500' : 'pass'));
    const sent = sentLog();
    await expect(target.send(source, files, { immutable: true, sent }, task)).rejects.toMatchObject({
      code: 'target-unreachable',
      message: expect.stringMatching(/HTTP 500, InternalError/),
      hint: expect.stringContaining('resume'),
    });
    expect(sent.has(broken)).toBe(false);
    expect(sent.paths.size).toBe(39);
    // Bounded: the first try and seven more.
    expect(proxy.seen.filter(({ path }) => path.includes(broken))).toHaveLength(8);
  }, 120_000);

  it('stops at once when the task is aborted, and leaves no parts', async () => {
    const stopping = new AbortController();
    const { source, config, client, target, task, write, proxy } = await bed(stopping.signal);
    const files = await write({ ...manyFiles(100), 'builds/1/image': randomBytes(30 * 2 ** 20) });
    proxy.decide(({ path }) => {
      // By then the upload in parts has begun.
      if (path.includes('partNumber=2')) stopping.abort(new Error('stopped by the test'));
      return path.includes('partNumber') ? 'slow down' : 'pass';
    });
    await expect(target.send(source, files.reverse(), { immutable: true }, task)).rejects.toThrow(
      'stopped by the test',
    );
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: config.bucket }));
    expect(Uploads).toEqual([]);
    await expect(target.read('x', task)).rejects.toThrow('stopped by the test');
  });

  it('reads through cut answers, and tells what is absent', async () => {
    const { source, target, task, write, proxy } = await bed();
    await target.send(source, await write({ 'repo/summary': 'abc' }), { immutable: false }, task);
    proxy.decide((_, index) => (index % 2 === 0 ? 'cut after' : 'pass'));
    const paths = ['repo/none', 'repo/summary', 'repo/summary/below'];
    expect(await target.readMany(paths, task)).toEqual([undefined, bytes('abc'), undefined]);
  });

  it('lists in pages and removes in batches', async () => {
    const { source, target, task, write, proxy, requests } = await bed();
    const files = await write({ ...manyFiles(1105), 'other/file': 'xyz' });
    await target.send(source, files, { immutable: true }, task);
    requests();
    const list = async (folder: string) => {
      const found: Record<string, number> = {};
      for await (const { path, bytes: size } of target.list(folder, task)) found[path] = size;
      return found;
    };
    const found = await list('repo');
    expect(Object.keys(found).sort()).toEqual(files.filter((path) => path.startsWith('repo/')).sort());
    expect(found['repo/objects/5/5.filez']).toBe('object 5'.length);
    expect(requests()).toEqual({ GET: 2 });
    await target.remove([...Object.keys(found), 'repo/never/was'], task);
    expect(requests()).toEqual({ POST: 2 });
    // Every request that brings something, so that no server keeps what was damaged on its way.
    for (const { method, md5 } of proxy.seen)
      expect(md5?.length).toBe(['GET', 'HEAD'].includes(method) ? undefined : 24);
    expect(await list('')).toEqual({ 'other/file': 3 });
  });

  it('refuses nothing that was swapped with its answer lost, and swaps no second time', async () => {
    const { target, task, look, proxy } = await bed();
    await target.check(task);
    proxy.decide(({ method }, index) => (method === 'PUT' && index % 2 === 0 ? 'cut after' : 'pass'));
    const swap = (old: Uint8Array | undefined, next: string) =>
      target.swap({ expect: [{ path: 'flag', content: old }], put: [{ path: 'flag', content: bytes(next) }] }, task);
    await swap(undefined, 'a');
    await swap(bytes('a'), 'b');
    expect((await look('flag')).content).toBe('b');
    await expect(swap(bytes('a'), 'c')).rejects.toMatchObject({ code: 'target-moved' });
    expect((await look('flag')).content).toBe('b');
  });

  it('a holder whose lock was lost overwrites nothing', async () => {
    const { config, client, target, task, look, proxy } = await bed();
    await target.swap({ expect: [], put: [{ path: 'flag', content: bytes('a') }] }, task);
    // Another publisher's change, between the comparison and the PUT, as if this one had stalled there.
    const other = client.send.bind(client);
    let changed: Promise<unknown> | undefined;
    proxy.decide(({ method, path }) => {
      if (method !== 'PUT' || !path.includes('/flag') || changed) return 'pass';
      changed = other(new PutObjectCommand({ ...keyOf(config, 'flag'), Body: 'theirs' }));
      return 'slow down';
    });
    const late = { expect: [{ path: 'flag', content: bytes('a') }], put: [{ path: 'flag', content: bytes('mine') }] };
    await expect(target.swap(late, task)).rejects.toMatchObject({ code: 'target-moved' });
    expect((await look('flag')).content).toBe('theirs');
  });

  it('I4: takes over the lock of a dead process of this machine and one that is over, waits out a living one', async () => {
    const { config, client, target, task, look } = await bed();
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const lock = { token: 't', host: hostname(), boot, pid: process.pid, until: Date.now() + 60_000 };
    const key = keyOf(config, '.atomic-nightly.lock');
    const put = (content: object) => client.send(new PutObjectCommand({ ...key, Body: JSON.stringify(content) }));
    const swap = () => target.swap({ expect: [], put: [{ path: 'flag', content: bytes('x') }] }, task);
    await put(lock);
    await expect(swap()).rejects.toMatchObject({
      code: 'locked',
      message: expect.stringContaining(`process ${process.pid} on ${hostname()}`),
    });
    await put({ ...lock, host: 'another.example.org', pid: 2 ** 22 + 1 });
    await expect(swap()).rejects.toMatchObject({ code: 'locked' });
    await put({ ...lock, pid: 2 ** 22 + 1 });
    await swap();
    // What another machine's clock says is not a proof: its lock is watched for as long as one lives.
    await put({ ...lock, host: 'another.example.org', pid: 2 ** 22 + 1, until: Date.now() - 1 });
    await target.swap({ expect: [], put: [{ path: 'flag', content: bytes('x') }] }, lockLifePasses(task));
    expect(JSON.parse((await look('.atomic-nightly.lock')).content)).toMatchObject({ until: 0 });
    const moved = target.swap({ expect: [{ path: 'flag', content: bytes('y') }], put: [] }, task);
    await expect(moved).rejects.toMatchObject({ code: 'target-moved' });
    await swap();
  });

  it('many publishers at once: no change is lost', async () => {
    const { config, task } = await bed();
    const targets = Array.from({ length: 4 }, () => openTarget(config));
    const add = async (target: Target, name: string): Promise<void> => {
      for (;;) {
        const old = await target.read('names', task);
        const next = bytes(`${old ? Buffer.from(old).toString() : ''}${name}`);
        const swap = { expect: [{ path: 'names', content: old }], put: [{ path: 'names', content: next }] };
        try {
          await target.swap(swap, task);
          return;
        } catch (error) {
          expect(['locked', 'target-moved']).toContain((error as { code?: string }).code);
        }
      }
    };
    await Promise.all(targets.flatMap((target, n) => [add(target, `${n}`), add(target, String.fromCharCode(97 + n))]));
    const names = Buffer.from((await targets[0]?.read('names', task)) ?? '').toString();
    expect([...names].sort().join('')).toBe('0123abcd');
  });

  it('holds little in memory, however many large files are to be sent', async () => {
    const stopping = new AbortController();
    const { source, config, task, write, proxy } = await bed(stopping.signal);
    const files = await write(Object.fromEntries(Array.from({ length: 24 }, (_, n) => [`builds/${n}/image`, ''])));
    for (const path of files) await truncate(join(source, path), 2 ** 24);
    let requests = 0;
    let most = 0;
    const held = new Set<string>();
    const before = process.memoryUsage().arrayBuffers;
    // As long as none goes through, as many are held as ever will be.
    proxy.decide(({ method, path }) => {
      if (method === 'HEAD') return 'pass';
      held.add(path);
      requests += 1;
      if (requests === 20) stopping.abort(new Error('seen enough'));
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      return 'slow down';
    });
    const sending = openTarget({ ...config, parallel: 64 }).send(source, files, { immutable: true }, task);
    await expect(sending).rejects.toThrow('seen enough');
    // 64 MiB of 16 each. What is no longer used need not have been collected: only a limit near the 384 of all files is sure.
    expect(held.size).toBeGreaterThan(1);
    expect(held.size).toBeLessThanOrEqual(4);
    expect(most / 2 ** 20).toBeLessThan(300);
  });
});

describe.skipIf(missing)('S3: rights', () => {
  it('those that docs/targets.md names are enough for everything', async () => {
    const { config, client, source, task, write, proxy } = await bed();
    const { owner, stranger } = await sharedRadosgw();
    const docs = await readFile(new URL('../../../docs/targets.md', import.meta.url), 'utf8');
    const text = /```json\n([^`]*)```/.exec(docs)?.[1] ?? '';
    const named = text.replaceAll('my-atomic/nightly', `${config.bucket}/${config.prefix}`);
    const policy = JSON.parse(named.replaceAll('my-atomic', config.bucket));
    // As the same page says of Ceph.
    policy.Statement.push({ Effect: 'Allow', Action: 's3:DeleteObject', Resource: `arn:aws:s3:::${config.bucket}` });
    for (const statement of policy.Statement) statement.Principal = { AWS: ['arn:aws:iam:::user/stranger'] };
    await client.send(new PutBucketPolicyCommand({ Bucket: config.bucket, Policy: JSON.stringify(policy) }));
    useKeys(stranger);
    try {
      const target = openTarget(config);
      await target.check(task);
      const files = await write({ 'repo/a': 'a', 'builds/image': randomBytes(20 * 2 ** 20) });
      await target.send(source, files, { immutable: true }, task);
      proxy.decide(({ path }) => (path.includes('partNumber=2') ? 'error 500' : 'pass'));
      const broken = await write({ 'builds/broken': randomBytes(17 * 2 ** 20) });
      const failing = target.send(source, broken, { immutable: true }, task);
      await expect(failing).rejects.toMatchObject({ code: 'target-unreachable' });
      expect(task.lines.join()).not.toContain('stay in the bucket');
      const put = [{ path: 'repo/summary', content: bytes('s') }];
      await target.swap({ expect: [{ path: 'repo/summary', content: undefined }], put }, task);
      const found: string[] = [];
      for await (const { path } of target.list('repo', task)) found.push(path);
      expect(found.sort()).toEqual(['repo/a', 'repo/summary']);
      await target.remove(found, task);
      expect(await target.read('repo/summary', task)).toBeUndefined();
    } finally {
      useKeys(owner);
    }
  }, 120_000);
});

describe.skipIf(missing)('S3: what is wrong is told', () => {
  const fault = async (change: Partial<S3TargetConfig>): Promise<Record<string, unknown>> => {
    const { config, task } = await bed();
    const target = openTarget({ ...config, ...change });
    const error: unknown = await target.check(task).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    const { code, message, hint } = error as { code: string; message: string; hint: string };
    const everything = `${message} ${hint} ${task.lines.join(' ')} ${JSON.stringify(error)}`;
    expect(everything).not.toMatch(/OWNERKEY|STRANGERKEY|5ecret|Signature=/);
    expect((error as Error).cause).toBeUndefined();
    return { code, message, hint, said: task.lines };
  };

  it('a bucket that is not there, an endpoint that does not answer', async () => {
    expect(await fault({ bucket: 'no-such-bucket' })).toMatchObject({
      code: 'target-unreachable',
      message: expect.stringContaining('bucket no-such-bucket at http://127.0.0.1'),
      hint: expect.stringContaining('Make the bucket'),
    });
    // Told at once: nothing is tried again where nothing has answered yet.
    expect(await fault({ endpoint: 'http://127.0.0.1:1' })).toMatchObject({
      code: 'target-unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
      said: [],
    });
  });

  it('I11: missing, wrong and insufficient credentials, without showing them', async () => {
    const { owner, stranger } = await sharedRadosgw();
    const withKeys = async (keys: typeof owner | undefined) => {
      const { config, task } = await bed();
      useKeys(keys);
      const error: unknown = await openTarget(config)
        .check(task)
        .catch((thrown: unknown) => thrown);
      useKeys(owner);
      const { code, message, hint } = error as { code: string; message: string; hint: string };
      const everything = [message, hint, ...task.lines, JSON.stringify(error), String((error as Error).cause)].join(
        ' ',
      );
      expect(everything).not.toMatch(/OWNERKEY|STRANGERKEY|5ecret|Signature=/);
      return { code, message, hint, said: task.lines };
    };
    expect(await withKeys(undefined)).toMatchObject({
      code: 'target-permission',
      hint: expect.stringContaining('AWS_ACCESS_KEY_ID'),
    });
    expect(await withKeys({ ...owner, secretKey: 'wrong-5ecret' })).toMatchObject({
      code: 'target-permission',
      message: expect.stringContaining('SignatureDoesNotMatch'),
    });
    expect(await withKeys({ ...owner, accessKey: 'OWNERKEYWRONG' })).toMatchObject({
      code: 'target-permission',
      message: expect.stringContaining('InvalidAccessKeyId'),
    });
    expect(await withKeys(stranger)).toMatchObject({
      code: 'target-permission',
      message: expect.stringContaining('AccessDenied'),
      hint: expect.stringContaining('s3:PutObject'),
    });
  });
});
