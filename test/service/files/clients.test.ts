import { once } from 'node:events';
import { copyFile, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NightlyError } from '../../../src/base/errors.ts';
import { sha256File } from '../../../src/base/files.ts';
import { freePort } from '../../../src/base/free-port.ts';
import { httpFetch } from '../../../src/base/http.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { askDnfClient } from '../../../src/programs/dnf-client.ts';
import { run } from '../../../src/programs/exec.ts';
import { makeClient as makeClientRepo, pullAsClient } from '../../../src/programs/ostree-client.ts';
import { hintFor } from '../../../src/publish/verify/verify-report.ts';
import { startTargetServers, type TargetServers } from '../../../src/service/files/target-servers.ts';
import { buildMiniRpm } from '../../support/mini-rpm.ts';
import { commitTestTree, makeClient, makeRepo, TEST_REF, testTree } from '../../support/ostree-repo.ts';
import { sharedFolder, testTask } from '../../support/tmp.ts';
import { until } from '../../support/until.ts';

const dir = sharedFolder();
const root = join(dir, 'published');
const said: string[] = [];
let [port, url, commit] = [0, '', ''];
let servers: TargetServers;

const IMAGE_BYTES = 8_000_000;

beforeAll(async () => {
  await mkdir(join(root, 'builds'), { recursive: true });
  await writeFile(join(root, 'index.html'), '<p>pages');
  await writeFile(join(root, 'builds/builds.json'), '{"builds": []}');
  await writeFile(join(root, 'builds/a+b^c d~e'), '0123456789');
  await writeFile(join(root, 'builds/disk.qcow2'), Buffer.alloc(IMAGE_BYTES, 'a pattern of nine'));
  const repo = await makeRepo(root);
  commit = await commitTestTree({ repo, tree: testTree(300), version: '1', timestamp: 1_700_000_000 });
  await run('ostree', [`--repo=${repo}`, 'refs', '--force', `--create=${TEST_REF}`, commit]);
  await run('ostree', [`--repo=${repo}`, 'summary', '-u']);
  port = await freePort();
  url = `http://127.0.0.1:${port}/atomic`;
  servers = await start();
});
afterAll(() => servers.stop());

async function start(): Promise<TargetServers> {
  const serve = { address: '127.0.0.1' };
  const target = { ...({ type: 'directory', name: 'web', path: root } as const), url, serve };
  return startTargetServers({ targets: { web: target } }, (line) => said.push(line));
}

/** Head of the answer and its body, to a request with a path as it is written. */
async function ask(path: string, headers: readonly string[] = [], method = 'GET') {
  const socket = connect(port, '127.0.0.1');
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: x', 'Connection: close', ...headers];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part);
  const text = Buffer.concat(parts).toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  const header = (name: string) => new RegExp(`^${name}: (.*)$`, 'im').exec(text.slice(0, end))?.[1]?.trim();
  return { status: Number(text.slice(9, 12)), header, body: text.slice(end + 4) };
}

describe('real clients', () => {
  it('ostree pulls, dnf downloads, and curl goes on with half a file', async () => {
    const client = await makeClient(join(dir, 'client'), `${url}/repo`);
    await run('ostree', [`--repo=${client}`, 'pull', 'origin', TEST_REF]);
    await run('ostree', [`--repo=${client}`, 'fsck', '--quiet']);
    const pulled = await run('ostree', [`--repo=${client}`, 'rev-parse', `origin:${TEST_REF}`]);
    expect(pulled.stdout.trim()).toBe(commit);

    await mkdir(join(root, 'rpms'));
    const rpm = await buildMiniRpm({ name: 'hello', version: '1', release: '1', files: [] });
    await copyFile(rpm, join(root, 'rpms/hello-1-1.noarch.rpm'));
    await run('createrepo_c', ['--quiet', join(root, 'rpms')]);
    const packages = [{ name: 'hello', evra: '1-1.noarch', sha256: await sha256File(rpm) }];
    const wanted = { url: `${url}/rpms`, arch: 'x86_64', keys: [], gpgcheck: false, packages };
    await mkdir(join(dir, 'dnf'));
    expect(await askDnfClient(wanted, join(dir, 'dnf'), testTask(dir))).toEqual({ fault: undefined, packages: [] });

    const half = join(dir, 'disk.qcow2');
    await writeFile(half, Buffer.alloc(3_000_001, 'a pattern of nine'));
    await run('curl', ['-sS', '-f', '-C', '-', '-o', half, `${url}/builds/disk.qcow2`]);
    expect(await sha256File(half)).toBe(await sha256File(join(root, 'builds/disk.qcow2')));
  });
});

describe('answers', () => {
  it('have the type of their name, and say how long they may be kept', async () => {
    const answers = await Promise.all(
      [
        '/atomic/',
        '/atomic/builds/builds.json',
        '/atomic/builds/disk.qcow2',
        `/atomic/repo/refs/heads/${TEST_REF}`,
      ].map((path) => ask(path, [], 'HEAD')),
    );
    const told = answers.map(({ status, header }) => [status, header('content-type'), header('cache-control')]);
    expect(told).toEqual([
      [200, 'text/html; charset=utf-8', 'no-cache'],
      [200, 'application/json', 'no-cache'],
      [200, 'application/octet-stream', 'no-cache'],
      [200, 'application/octet-stream', 'no-cache'],
    ]);
    expect(answers[2]?.header('content-length')).toBe(String(IMAGE_BYTES));
    expect(answers.every(({ body }) => body === '')).toBe(true);
    const object = `/atomic/repo/objects/${commit.slice(0, 2)}/${commit.slice(2)}.commit`;
    expect((await ask(object)).header('cache-control')).toBe('public, max-age=31536000, immutable');
  });

  it('to a range have that range, and 416 behind the end', async () => {
    const path = '/atomic/builds/a%2Bb%5Ec%20d~e';
    const cases = {
      'bytes=2-4': [206, 'bytes 2-4/10', '234'],
      'bytes=7-': [206, 'bytes 7-9/10', '789'],
      'bytes=-2': [206, 'bytes 8-9/10', '89'],
      'bytes=5-99': [206, 'bytes 5-9/10', '56789'],
      'bytes=10-': [416, 'bytes */10', ''],
      'bytes=4-2': [200, undefined, '0123456789'],
      'bytes=0-1,3-4': [200, undefined, '0123456789'],
    };
    for (const [range, wanted] of Object.entries(cases)) {
      const { status, header, body } = await ask(path, [`Range: ${range}`]);
      expect([status, header('content-range'), body], range).toEqual(wanted);
    }
  });

  it('say that nothing changed, and never mix two contents of a name', async () => {
    const path = '/atomic/builds/pointer.json';
    await writeFile(join(root, 'builds/pointer.json'), 'one');
    const { header } = await ask(path);
    const etag = header('etag') ?? '';
    // It may change again within this second.
    expect(header('last-modified')).toBeUndefined();
    expect(await ask(path, [`If-None-Match: "other", ${etag}`])).toMatchObject({ status: 304, body: '' });
    expect((await ask(path, ['Range: bytes=1-', `If-Range: ${etag}`])).body).toBe('ne');
    await writeFile(join(root, 'builds/next'), 'two');
    await rename(join(root, 'builds/next'), join(root, 'builds/pointer.json'));
    expect(await ask(path, [`If-None-Match: ${etag}`])).toMatchObject({ status: 200, body: 'two' });
    expect(await ask(path, ['Range: bytes=1-', `If-Range: ${etag}`])).toMatchObject({ status: 200, body: 'two' });
    const old = await ask('/atomic/index.html');
    await run('touch', ['-d', '2026-01-01T00:00:00Z', join(root, 'index.html')]);
    const date = (await ask('/atomic/index.html')).header('last-modified');
    expect(date).toBe('Thu, 01 Jan 2026 00:00:00 GMT');
    expect((await ask('/atomic/index.html', [`If-Modified-Since: ${date}`])).status).toBe(304);
    expect(old.status).toBe(200);
  });
});

describe('nothing but what is published (I15)', () => {
  it('is reached by no path, link or name of an unfinished file', async () => {
    await writeFile(join(dir, 'secret'), 'secret');
    await mkdir(join(root, '.atomic-nightly'));
    await mkdir(join(root, 'repo/tmp'), { recursive: true });
    for (const name of ['.atomic-nightly/part', '.htpasswd', 'x.lock', 'x.json.12.1.tmp', 'repo/tmp/part'])
      await writeFile(join(root, name), 'secret');
    await symlink('../secret', join(root, 'out'));
    await symlink('..', join(root, 'up'));
    await symlink('.atomic-nightly/part', join(root, 'hidden-by-link'));
    await run('mkfifo', [join(root, 'pipe')]);
    const paths = [
      ...['/../secret', '/atomic/../secret', '/atomic/../../secret', '/atomic/%2e%2e/secret', '/atomic/..%2fsecret'],
      ...[
        '/atomic/%2E%2E%2Fsecret',
        '/atomic//../secret',
        '/atomic/builds/..%5c..%5csecret',
        '/atomic/%00',
        '/atomic/%ff',
      ],
      ...['/atomic/out', '/atomic/up/secret', '/atomic/hidden-by-link', '/atomic/pipe', '/atomic/x.lock', '/atomicx/'],
      ...['/atomic/.htpasswd', '/atomic/%2ehtpasswd', '/atomic/x.json.12.1.tmp', '/atomic/repo/tmp/part', '/secret'],
      ...[
        '/atomic/builds',
        '/atomic/builds/',
        '/atomic/repo/objects/',
        '/atomic/.atomic-nightly/part',
        '/atomic/index.html/x',
      ],
    ];
    for (const path of paths)
      expect(await ask(path), path).toMatchObject({ status: 404, body: 'There is no such file.\n' });
    await symlink('builds/builds.json', join(root, 'alias'));
    expect((await ask('/atomic/alias')).body).toBe('{"builds": []}');
    expect((await ask('/atomic/builds/builds.json', [], 'PUT')).status).toBe(405);
  });
});

describe('many and slow clients', () => {
  it('are all served while one reads nothing of what it asked for, and downloads end before the server does', async () => {
    const slow = connect(port, '127.0.0.1');
    slow.write('GET /atomic/builds/disk.qcow2 HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(slow, 'readable');
    const before = process.memoryUsage().rss;
    const all = await Promise.all(
      Array.from({ length: 40 }, () => ask('/atomic/builds/disk.qcow2', ['Range: bytes=0-999999'])),
    );
    expect(all.every(({ status, body }) => status === 206 && body.length === 1_000_000)).toBe(true);
    expect(process.memoryUsage().rss - before).toBeLessThan(400_000_000);

    const stopping = servers.stop();
    await until(async () => (await ask('/atomic/').catch(() => undefined)) === undefined);
    let bytes = 0;
    for await (const part of slow) bytes += part.length;
    await stopping;
    expect(bytes).toBeGreaterThan(IMAGE_BYTES);
    servers = await start();
  });
});

describe('whoever is refused where this program is the web server', () => {
  it('is told to start it, whatever program asked', async () => {
    const free = await freePort();
    const config = join(dir, 'atomic-nightly.yaml');
    const lines = ['type: directory', `path: ${root}`, `url: http://127.0.0.1:${free}`];
    await writeFile(join(dir, 'host.yaml'), 'ref: lab/x86_64/host\n');
    const text = (more: string) =>
      `name: lab\ntargets:\n  web: {${[...lines, more].join(', ')}}\nstreams:\n  nightly: {treefile: host.yaml, targets: [web]}\n`;
    const nobody = `http://127.0.0.1:${free}/repo`;
    const refused = async () => {
      await rm(join(dir, 'nobody'), { recursive: true, force: true });
      const client = join(dir, 'nobody');
      await makeClientRepo(client, nobody, { gpgKeys: [], signedSummary: false }, testTask(dir));
      return pullAsClient({ repo: client, ref: TEST_REF, deltas: 'no' }, testTask(dir)).catch(
        (error: unknown) => error,
      );
    };
    await writeFile(config, text('serve: false'));
    await loadConfig(config);
    expect(await refused()).toMatchObject({ code: 'tool-failed', hint: expect.stringContaining('step log') });
    await writeFile(config, text('serve: true'));
    await loadConfig(config);
    const hint = `Start its web server: atomic-nightly --config ${config} serve`;
    expect(await refused()).toMatchObject({ code: 'tool-failed', hint });
    const why = await httpFetch(nobody).catch((error: unknown) => error);
    expect(new NightlyError('verify', `nobody answers: ${String(why)}`, { hint: 'another' })).toMatchObject({ hint });
    expect(hintFor(why, 'another')).toBe(hint);
    expect(hintFor(new NightlyError('disk-full', 'x'), 'another')).toBe('Free some space there, then verify again.');
    expect(new NightlyError('verify', 'http://127.0.0.1:1 ECONNREFUSED', { hint: 'another' }).hint).toBe('another');
  });
});
