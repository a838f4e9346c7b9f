import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configureService, endService, type StartedService, serviceState, startServe } from '../support/service.ts';
import { makeWorld, runCli, type World } from '../support/world.ts';

let world: World;
let service: StartedService;
let token: string;

// One service for all: a night that was published, a release stream, and nothing that begins by itself.
beforeAll(async () => {
  world = await makeWorld(await mkdtemp(join(tmpdir(), 'atomic-nightly-test-')), {
    stream: ["schedule: {cron: '0 0 1 1 *'}"],
  });
  await writeFile(join(world.dir, 'secret'), 'planted outside of what is served');
  await configureService(world, ['trigger: {token-hash-file: ./tokens/hashes, debounce: 1d}']);
  const made = await world.nightly('trigger', '--new-token');
  expect(made.code).toBe(0);
  token = made.stdout.trim();
  expect((await world.nightly('nightly')).code).toBe(0);
  service = await startServe(world);
});
afterAll(async () => {
  await endService(service, world);
  await world.stop();
  await rm(world.dir, { recursive: true, force: true });
});

/** Sends bytes as they are and gives all that comes back until the server closes, with the seconds that took. */
function raw(text: string): Promise<{ readonly answer: string; readonly seconds: number }> {
  const begun = performance.now();
  const { port, hostname } = new URL(service.url);
  return new Promise((settle) => {
    let answer = '';
    const socket = createConnection(Number(port), hostname, () => socket.write(text));
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => settle({ answer, seconds: (performance.now() - begun) / 1000 }));
  });
}

const ask = (path: string, init: RequestInit = {}) => fetch(service.url + path, init);
const withToken = (value: string): RequestInit => ({ method: 'POST', headers: { authorization: `Bearer ${value}` } });

test('healthz, and readyz with what keeps it from its work', async () => {
  expect(await (await ask('/healthz')).text()).toBe('ok\n');
  const ready = await ask('/readyz');
  expect([ready.status, await ready.text()]).toEqual([200, 'ready\n']);
  await rename(world.config, `${world.config}.away`);
  const unready = await ask('/readyz');
  await rename(`${world.config}.away`, world.config);
  expect(unready.status).toBe(503);
  expect(await unready.text()).toContain('There is no configuration file');
});

test('every answer has strict headers', async () => {
  for (const path of ['/', '/healthz', '/metrics', '/no/such/page', '/assets/page.css']) {
    const { headers } = await ask(path);
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(headers.get('content-security-policy')).not.toContain('unsafe');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
  }
});

test('methods other than GET and HEAD are refused, but for the hook', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const answer = await ask('/', { method });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  }
  const head = await ask('/', { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
  expect((await ask('/trigger/nightly')).status).toBe(404);
});

test('metrics are what the records say, in a form that parses', async () => {
  const answer = await ask('/metrics');
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const samples = parse(await answer.text());
  const of = (name: string): number => samples.get(`atomic_nightly_${name}`) ?? Number.NaN;
  expect(of('last_build_state{stream="nightly",state="complete"}')).toBe(1);
  expect(of('last_build_state{stream="nightly",state="failed"}')).toBe(0);
  expect(Math.abs(of('last_success_timestamp_seconds{stream="nightly"}') - Date.now() / 1000)).toBeLessThan(300);
  expect(of('step_duration_seconds{stream="nightly",step="compose"}')).toBeGreaterThan(0);
  expect(of('pushed_bytes{stream="nightly",target="buildlogs"}')).toBeGreaterThan(1000);
  expect(of('disk_free_bytes')).toBeGreaterThan(0);
  expect(of('disk_used_bytes')).toBeGreaterThan(0);
  expect(of('run_active')).toBe(0);
  expect(of('next_run_timestamp_seconds{stream="nightly"}')).toBeGreaterThan(Date.now() / 1000);
  expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(0);
});

/** Samples of the text format by name and labels; a line that is neither sample nor comment fails the test. */
function parse(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# ')) continue;
    const [, name, value] = /^([a-zA-Z_:][\w:]*(?:\{(?:[a-zA-Z_]\w*="(?:[^"\\]|\\.)*",?)*\})?) (\S+)$/.exec(line) ?? [];
    expect(name, line).toBeDefined();
    expect(samples.has(name ?? ''), line).toBe(false);
    samples.set(name ?? '', Number(value));
  }
  return samples;
}

test('a trigger begins one night, however often it is asked for', async () => {
  const first = await ask('/trigger/nightly', withToken(token));
  const body = (await first.json()) as { stream: string; begins: string };
  expect([first.status, body.stream]).toEqual([202, 'nightly']);
  expect(Math.abs(Date.parse(body.begins) - Date.now() - 86_400_000)).toBeLessThan(60_000);
  const file = join(world.dir, 'token');
  await writeFile(file, `${token}\n`, { mode: 0o600 });
  const again = await runCli(world.dir, ['trigger', 'nightly', '--url', service.url, '--token-file', file, '--json']);
  expect([again.code, JSON.parse(again.stdout)]).toEqual([0, body]);
  const { jobs } = await serviceState(world);
  expect(jobs).toMatchObject([{ stream: 'nightly', cause: 'trigger', notBefore: body.begins }]);
  expect(JSON.stringify(jobs) + service.said()).not.toContain(token);
});

test('unknown streams and the names of every object are not found', async () => {
  for (const name of ['other', 'constructor', '__proto__', '..%2fnightly', '%00']) {
    expect((await ask(`/trigger/${name}`, withToken(token))).status).toBe(404);
  }
});

test('a large body is refused before it is read', async () => {
  const declared = await ask('/trigger/nightly', { ...withToken(token), body: 'x'.repeat(5000) });
  expect(declared.status).toBe(413);
  const piece = `${(1024).toString(16)}\r\n${'x'.repeat(1024)}\r\n`;
  const { answer } = await raw(
    `POST /trigger/nightly HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${piece.repeat(6)}0\r\n\r\n`,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
});

test('a large head is refused', async () => {
  const { answer } = await raw(`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`);
  expect(answer).toMatch(/^HTTP\/1\.1 431 /);
});

test('slow-loris: a head that does not end, and a body that does not come, are cut off; others are answered meanwhile', async () => {
  const slow = [
    raw('GET / HTTP/1.1\r\nHost: x\r\nX-Slow: '),
    raw(`POST /trigger/nightly HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 10\r\n\r\nx`),
  ];
  expect((await ask('/healthz')).status).toBe(200);
  const [head, body] = await Promise.all(slow);
  expect(head?.answer).toMatch(/^HTTP\/1\.1 408 /);
  // Node.js by itself waits for 60 and 300 s.
  expect(head?.seconds).toBeLessThan(50);
  expect(body?.answer).not.toMatch(/^HTTP\/1\.1 5/);
  expect(body?.seconds).toBeLessThan(100);
});

test('of more connections than an address may have, the oldest make way at once, and those held go on', async () => {
  const { port, hostname } = new URL(service.url);
  const sockets = Array.from({ length: 300 }, () => createConnection(Number(port), hostname));
  let dropped = 0;
  for (const socket of sockets) socket.on('error', () => undefined).on('close', () => (dropped += 1));
  await expect.poll(() => dropped, { timeout: 8000 }).toBeGreaterThanOrEqual(300 - 256);
  expect(dropped).toBeLessThan(100);
  for (const socket of sockets) socket.destroy();
  await expect.poll(async () => (await ask('/healthz')).status, { timeout: 8000 }).toBe(200);
});

test('no path leads outside', async () => {
  const part = fc.oneof(
    fc.constantFrom('..', '.', '%2e%2e', '..%2f', '%2f', '%5c', '%00', '', 'builds', 'assets', 'log', 'secret', 'etc'),
    fc.webSegment(),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 8 }), async (parts) => {
      const { answer } = await raw(`GET /${parts.join('/')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 (200|302|400|404) /);
      expect(answer).not.toContain('planted outside');
      expect(answer).not.toContain('root:x:0');
    }),
    { numRuns: 150 },
  );
});

// The last ones: they use up what this address and this token may ask for within a minute.
test('I11: without a known token nothing begins, and guessing is slowed down', async () => {
  const guesses = [`${token.slice(0, -1)}x`, 'x', ''].map((value) => ask('/trigger/nightly', withToken(value)));
  for (const answer of await Promise.all(guesses)) {
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  }
  const answers = [];
  for (let guess = 0; guess < 4; guess += 1) answers.push((await ask('/trigger/nightly', withToken('x'))).status);
  expect(answers).toEqual([401, 401, 429, 429]);
  // From the same address, as behind a web server: whoever guesses keeps nobody out who has a token (I15).
  expect((await ask('/trigger/nightly', withToken(token))).status).toBe(202);
});

test('too many requests are told when to come back', async () => {
  let last = await ask('/trigger/nightly', withToken(token));
  for (let more = 0; more < 30 && last.status !== 429; more += 1)
    last = await ask('/trigger/nightly', withToken(token));
  expect(last.status).toBe(429);
  expect(Number(last.headers.get('retry-after'))).toBeGreaterThan(0);
});
