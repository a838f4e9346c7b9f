/**
 * Measures the service over thousands of builds, and among many clients: seconds until it listens, the first page, its memory
 * once all records are read, searches over all of them and each kind of page, and the slowest answer of /healthz while records are read, while two thousand idle connections,
 * live updates and connections that do not read are there, and while its broker is flooded.
 *
 *   npm run bench:builds [-- BUILDS]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { availableParallelism, constants, loadavg, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../src/base/free-port.ts';
import { run } from '../../src/programs/exec.ts';
import { makePageBuilds } from '../support/page-builds.ts';
import { configureService, type StartedService, startServe } from '../support/service.ts';

const BUILDS = Number(process.argv[2] ?? 5000);
/** As after an update of everything: what made records large. */
const CHANGES = 300;
const LISTENING_SECONDS = 5;
const PAGE_MS = 200;
const MEMORY_BYTES = 250e6;
const HEALTH_MS = 100;
const SEARCH_MS = 100;
/** So often a page or search is asked for: the middle one counts. */
const TIMES = 9;
/** Searches that must look at every build, but for the first. */
const SEARCHES = [
  'package=package-7',
  'package=no-such-package',
  'package=*7-not-there*',
  'package=*a*b*c*d*',
  'state=incomplete&package=curl',
  'since=2026-10-01&until=2026-10-20',
];

/** As a monitor: a process of its own. Says the slowest answer and their number when asked. */
const PROBE = `
const { get } = require('node:http');
let [slowest, asked, going] = [0, 0, true];
process.once('message', () => { going = false; });
const ask = () => new Promise((settle, refuse) => {
  const begun = performance.now();
  get(process.argv[1] + '/healthz', { agent: false }, (answer) => {
    if (answer.statusCode !== 200) refuse(new Error('/healthz answered ' + answer.statusCode));
    answer.resume().on('end', () => settle(performance.now() - begun));
  }).on('error', refuse);
});
(async () => {
  await ask();
  process.send('asking');
  while (going) {
    slowest = Math.max(slowest, await ask());
    asked += 1;
    await new Promise((settle) => setTimeout(settle, 10));
  }
  process.send({ slowest, asked }, () => process.disconnect());
})();
`;

const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-bench-'));
const open: Socket[] = [];
let service: StartedService | undefined;
try {
  const builds = await makePageBuilds(dir, BUILDS);
  for (const id of builds.ids) {
    const pkgdiff = Array.from({ length: CHANGES }, (_, index) => {
      const name = `package-${index}`;
      return [
        name,
        2,
        { PreviousPackage: [name, `1-${id}`, 'x86_64'], NewPackage: [name, `2-${id}`, 'x86_64'] },
      ] as const;
    });
    builds.write({ ...builds.meta(id), pkgdiff });
  }
  const mqtt = await freePort();
  await run('mosquitto_passwd', ['-b', '-c', join(dir, 'users'), 'mirror', 'one']);
  await configureService({ config: builds.config.path }, [
    `mqtt: {listen: '127.0.0.1:${mqtt}', password-file: ./users}`,
  ]);

  const begun = performance.now();
  service = await startServe({ dir });
  report('listening after', (performance.now() - begun) / 1000, 's', LISTENING_SECONDS);
  const { url } = service;
  console.log(`load ${loadavg()[0]?.toFixed(1)} on ${availableParallelism()} processors`);
  const asked = performance.now();
  await (await fetch(`${url}/`)).text();
  report('first page', performance.now() - asked, 'ms', PAGE_MS);
  // The crowd is other people's machines: here it has what the service and the probe leave.
  setPriority(constants.priority.PRIORITY_LOW);
  await health('records are read', url, async () => {
    while (!(await (await fetch(`${url}/?before=${builds.ids[15]}`)).text()).includes(`${builds.ids[2]}`))
      await sleep(500);
  });
  const again = performance.now();
  await (await fetch(`${url}/?again`)).text();
  report('a page later', performance.now() - again, 'ms', PAGE_MS);
  report('memory', (await memory(url)) / 1e6, 'MB', MEMORY_BYTES / 1e6);
  for (const search of SEARCHES) {
    report(`/search/?${search}`, await middle(`${url}/search/?${search}`), 'ms', SEARCH_MS);
    report(`/api/v1/builds?${search}`, await middle(`${url}/api/v1/builds?${search}`), 'ms', SEARCH_MS);
  }
  const newest = builds.ids.at(-1);
  for (const page of ['', 'streams/nightly/', 'get/', 'feed.atom', `builds/${newest}/x86_64/`, 'api/v1/status'])
    report(`/${page}`, await middle(`${url}/${page}`), 'ms', PAGE_MS);

  const port = Number(new URL(url).port);
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  await health('2,000 idle connections', url, () => crowd(2000, port, ''));
  await health('300 live updates', url, () => crowd(300, port, get('/events')));
  await health('300 connections with 50 requests, never read', url, () => crowd(300, port, get('/').repeat(50)));
  await health('300 idle connections of the broker', url, () => crowd(300, mqtt, ''));
  // CONNECT with an announced 200 MB; then wrong passwords.
  await health('200 MB announced to the broker', url, () =>
    crowd(300, mqtt, Buffer.from([0x10, 0x80, 0x88, 0xaf, 0x5f])),
  );
  const guess = Buffer.from('\x10\x1b\0\x04MQTT\x04\xc2\0\x3c\0\x01g\0\x06mirror\0\x02no', 'latin1');
  await health('2,400 password guesses', url, () => crowd(2400, mqtt, guess));
  report('memory afterwards', (await memory(url)) / 1e6, 'MB', MEMORY_BYTES / 1e6);
} finally {
  for (const socket of open) socket.destroy();
  await service?.end('SIGKILL');
  await rm(dir, { recursive: true, force: true });
}

function report(what: string, value: number, unit: string, target: number): void {
  const text = `${value.toFixed(unit === 's' ? 2 : 0)} ${unit}`;
  console.log(
    `${what.padEnd(52)} ${text.padStart(9)} (target: under ${target} ${unit})${value < target ? '' : ' MISSED'}`,
  );
}

/** Milliseconds of the middle one of several answers, after the first, by the clock and with all of the answer read. */
async function middle(url: string): Promise<number> {
  const times: number[] = [];
  // A page is kept for a second: each time another address, so that each is made.
  const isPage = !new URL(url).pathname.startsWith('/api/');
  for (let index = 0; index <= TIMES; index += 1) {
    const begun = performance.now();
    const answer = await fetch(isPage ? `${url}${url.includes('?') ? '&' : '?'}time=${index}` : url);
    await answer.arrayBuffer();
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
    if (index > 0) times.push(performance.now() - begun);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(TIMES / 2)] ?? Number.NaN;
}

/** A number that the listening process tells of itself; as root it is another process than the one that was started. */
async function told(url: string, name: string): Promise<number> {
  // The same text is given for two seconds.
  await sleep(2100);
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1]);
}

async function memory(url: string): Promise<number> {
  return told(url, 'process_resident_memory_bytes');
}

/** Opens connections that never read, and leaves them there for some seconds. */
async function crowd(count: number, port: number, text: string | Uint8Array): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.on('error', () => undefined).on('connect', () => text.length > 0 && socket.write(text));
    open.push(socket);
    if (index % 50 === 0) await sleep(1);
  }
  await sleep(3000);
  for (const socket of open.splice(0)) socket.destroy();
}

/** The slowest answer of /healthz, each over a connection of its own, while something goes on. */
async function health(what: string, url: string, work: () => Promise<void>): Promise<void> {
  const probe = spawn(process.execPath, ['-e', PROBE, url], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  if (probe.pid) setPriority(probe.pid, constants.priority.PRIORITY_NORMAL);
  await once(probe, 'message');
  const result = once(probe, 'message');
  // What it tells begins anew each time it is asked.
  const before = await told(url, 'process_cpu_seconds_total');
  await work();
  probe.send('end');
  const [{ slowest, asked }] = await result;
  report(`/healthz while: ${what} (${asked} times)`, slowest, 'ms', HEALTH_MS);
  const lag = (await told(url, 'nodejs_eventloop_lag_max_seconds')) * 1000;
  const used = (await told(url, 'process_cpu_seconds_total')) - before;
  console.log(`    in the service: event loop late by ${lag.toFixed(0)} ms at most, ${used.toFixed(2)} s of processor`);
}
