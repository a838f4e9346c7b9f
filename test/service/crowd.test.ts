import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { REQUEST_LIMITS } from '../../src/service/http/request-kinds.ts';
import { makePageBuilds } from '../support/page-builds.ts';
import { configureService, endService, type StartedService, startServe } from '../support/service.ts';
import { runCli } from '../support/world.ts';

let dir: string;
let service: StartedService;
let token: string;

// One service for all, with records that nobody composed.
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-'));
  const { config } = await makePageBuilds(dir, 12);
  await configureService({ config: config.path }, ['trigger: {token-hash-file: ./hashes, debounce: 1d}']);
  const made = await runCli(dir, ['trigger', '--new-token']);
  token = made.stdout.trim();
  service = await startServe({ dir });
});
afterAll(async () => {
  await endService(service, { dir });
  await rm(dir, { recursive: true, force: true });
});

/** The service has a low priority: on a busy machine it answers when others leave it some time. */
const WAIT = { timeout: 100_000 };

const open: Socket[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy();
  await sleep(100);
});

interface Visitor {
  readonly socket: Socket;
  said: string;
  ended: boolean;
}

/** A connection from an address of this machine that sends a text, and reads what comes unless told otherwise. */
function visitor(text: string, { from = '127.0.0.1', reads = true } = {}): Visitor {
  const { port, hostname } = new URL(service.url);
  const socket = createConnection({ port: Number(port), host: hostname, localAddress: from });
  const one: Visitor = { socket, said: '', ended: false };
  open.push(socket);
  socket.on('connect', () => text !== '' && socket.write(text));
  if (reads) socket.on('data', (chunk) => (one.said += chunk));
  socket.on('error', () => undefined).on('close', () => (one.ended = true));
  return one;
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const crowd = (count: number, text: string, options = {}): Visitor[] =>
  Array.from({ length: count }, () => visitor(text, options));

/** All that must go on, whoever else is there, from the crowd's own address and from another. */
async function everythingGoesOn(): Promise<void> {
  for (const from of ['127.0.0.1', '127.0.0.7']) {
    for (const path of ['/healthz', '/readyz', '/metrics', '/streams/nightly/']) {
      const one = visitor(get(path), { from });
      await expect.poll(() => one.said, { message: `${path} from ${from}`, ...WAIT }).toMatch(/^HTTP\/1.1 200 /);
    }
    const hook = visitor(
      `POST /trigger/nightly HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 0\r\n\r\n`,
      { from },
    );
    await expect.poll(() => hook.said, WAIT).toMatch(/^HTTP\/1.1 202 /);
  }
}

test('I15: live updates have places of their own: those of one address, and of all, are used up without keeping others out', async () => {
  const first = crowd(300, get('/events'));
  await expect.poll(() => first.filter(({ said }) => said.includes(' 429 ')).length, WAIT).toBeGreaterThan(0);
  expect(first.find(({ said }) => said.includes(' 429 '))?.said).toMatch(/retry-after: \d+/i);
  await everythingGoesOn();
  const others = ['127.0.0.2', '127.0.0.3'].flatMap((from) =>
    crowd(REQUEST_LIMITS.events.each, get('/events'), { from }),
  );
  await expect.poll(() => others.filter(({ said }) => said.includes(' 503 ')).length, WAIT).toBeGreaterThan(0);
  expect(others.find(({ said }) => said.includes(' 503 '))?.said).toMatch(/retry-after: \d+/i);
  await everythingGoesOn();
  // Places come back with the end of a connection.
  for (const socket of open.splice(0)) socket.destroy();
  await expect
    .poll(async () => {
      const again = visitor(get('/events'));
      await expect.poll(() => again.said, WAIT).toMatch(/^HTTP/);
      return again.said;
    }, WAIT)
    .toMatch(/^HTTP\/1.1 200 /);
});

test('those who ask and do not read keep one answer each, and make way', async () => {
  const before = await memory();
  const silent = crowd(300, get('/').repeat(50), { reads: false });
  await everythingGoesOn();
  // More in a row than anybody sends who waits for answers.
  await expect.poll(() => silent.filter(({ ended }) => ended).length, WAIT).toBe(300);
  const patient = crowd(300, get('/').repeat(10), { reads: false, from: '127.0.0.3' });
  await everythingGoesOn();
  expect((await memory()) - before).toBeLessThan(150e6);
  for (const { socket } of patient) socket.destroy();
});

/** Bytes that the service holds, as the kernel counts them. */
async function memory(): Promise<number> {
  const one = visitor(get('/metrics'), { from: '127.0.0.9' });
  const found = () => /process_resident_memory_bytes (\d+)/.exec(one.said)?.[1];
  await expect.poll(found, WAIT).toBeDefined();
  return Number(found());
}

test('requests of one connection are answered in turn, however many were sent at once', async () => {
  const one = visitor(['/healthz', '/streams/nightly/', '/nowhere', '/healthz'].map(get).join(''));
  await expect
    .poll(() => [...one.said.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, code]) => code), WAIT)
    .toEqual(['200', '200', '404', '200']);
});

test('connections that ask for nothing make way, the longest idle first; one with a request under way stays', async () => {
  const live = visitor(get('/events'));
  await expect.poll(() => live.said, WAIT).toMatch(/^HTTP\/1.1 200 /);
  const idle = crowd(600, '');
  await everythingGoesOn();
  await expect.poll(() => idle.filter(({ ended }) => ended).length, WAIT).toBeGreaterThan(300);
  expect(live.ended).toBe(false);
  const elsewhere = [2, 3, 4, 5].flatMap((last) => crowd(200, '', { from: `127.0.0.${last}` }));
  await everythingGoesOn();
  expect(live.ended).toBe(false);
  for (const { socket } of elsewhere) socket.destroy();
});
