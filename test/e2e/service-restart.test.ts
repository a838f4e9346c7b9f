import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { writeJson } from '../../src/base/files.ts';
import { makeToken } from '../../src/service/http/token.ts';
import { isAlive, killIfThere } from '../support/processes.ts';
import {
  configureService,
  endService,
  runningProcess,
  type StartedService,
  serviceState,
  startServe,
} from '../support/service.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records, runCli, startCli, type World } from '../support/world.ts';

const { token, hash } = makeToken();

/** A world whose service begins a night a second after it is asked for one. */
async function triggeredWorld(keys: readonly string[] = []): Promise<World> {
  const world = await makeWorld(temporaryFolder());
  onTestFinished(() => world.stop());
  await writeFile(join(world.dir, 'hashes'), `${hash}\n`);
  await configureService(world, ['trigger: {token-hash-file: ./hashes, debounce: 1s}', ...keys]);
  return world;
}

async function askForNight({ url }: StartedService): Promise<void> {
  const headers = { authorization: `Bearer ${token}` };
  expect((await fetch(`${url}/trigger/nightly`, { method: 'POST', headers })).status).toBe(202);
}

async function serve(world: World): Promise<StartedService> {
  const service = await startServe(world);
  onTestFinished(() => endService(service, world));
  return service;
}

/** Waits until the journal of the first build says that a step began. */
async function untilStep(world: World, step: string): Promise<void> {
  const builds = join(world.dir, 'work/builds');
  const begun = (): boolean => {
    const id = existsSync(builds) ? readdirSync(builds)[0] : undefined;
    const path = join(builds, String(id), 'x86_64/journal.ndjson');
    return existsSync(path) && readFileSync(path, 'utf8').includes(`"event":"start","step":"${step}"`);
  };
  for (let tries = 0; tries < 3000 && !begun(); tries += 1) await sleep(20);
  expect(begun()).toBe(true);
}

/** A world whose service has begun a night that composes. */
async function composing(keys: readonly string[] = []) {
  const world = await triggeredWorld(keys);
  const first = await serve(world);
  await askForNight(first);
  const run = await runningProcess(world);
  await untilStep(world, 'compose');
  return { world, first, run };
}

const states = async (world: World) => (await records(world)).map((build) => build['atomic-nightly.state']);

test('I4: the service alone is killed: the run goes on, and the next service sees it to its end', async () => {
  const { world, first, run } = await composing();
  await first.end('SIGKILL');
  expect(isAlive(run)).toBe(true);
  const second = await serve(world);
  await second.until(`a run of an earlier service`);
  await second.until(/build \d+_01 complete\n/);
  expect(second.said()).not.toMatch(/nightly: continues \d/);
  expect(await states(world)).toEqual(['complete']);
  expect((await serviceState(world)).jobs).toEqual([]);
});

test('I4: service and run are killed: the next service resumes the same build', async () => {
  const { world, first, run } = await composing();
  await first.end('SIGKILL');
  killIfThere(-run);
  const second = await serve(world);
  await second.until(/build \d+_01 killed; continues at/);
  await second.until(/nightly: continues \d+_01\n/);
  await second.until(/build \d+_01 complete\n/);
  expect(await states(world)).toEqual(['complete']);
});

test('I4: the service is killed before it could write down which process it started', async () => {
  const world = await triggeredWorld();
  const first = await serve(world);
  await askForNight(first);
  while (!(await serviceState(world)).jobs.some(({ attempt }) => attempt !== undefined)) await setImmediate();
  await first.end('SIGKILL');
  const noted = (await serviceState(world)).jobs.map(({ attempt }) => attempt?.process);
  const second = await serve(world);
  await second.until(/build \d+_01 complete\n/);
  expect(noted).toEqual([undefined]);
  expect(await states(world)).toEqual(['complete']);
});

test('SIGTERM interrupts the run after the drain time, and the next service resumes the same build', async () => {
  const { world, first, run } = await composing(['drain: 1s']);
  expect(await first.end('SIGTERM')).toBe(0);
  expect(isAlive(run)).toBe(false);
  expect(first.said()).toMatch(/build \d+_01 interrupted; continues at/);
  expect(await states(world)).toEqual(['interrupted']);
  const second = await serve(world);
  await second.until(/nightly: continues \d+_01\n/);
  await second.until(/build \d+_01 complete\n/);
  expect(await states(world)).toEqual(['complete']);
});

test('SIGTERM waits for a run that ends within the drain time', async () => {
  const world = await triggeredWorld(['drain: 10m']);
  const service = await serve(world);
  await askForNight(service);
  await runningProcess(world);
  expect(await service.end('SIGTERM')).toBe(0);
  expect(service.said()).toMatch(/stopping\n(.*\n)*nightly: build \d+_01 complete\n/);
  expect((await serviceState(world)).jobs).toEqual([]);
});

test('a second SIGTERM does not wait for the drain time', async () => {
  const world = await triggeredWorld(['drain: 10m']);
  const service = await serve(world);
  await askForNight(service);
  await runningProcess(world);
  await untilStep(world, 'compose');
  const ended = service.end('SIGTERM');
  await service.until('stopping');
  await service.end('SIGTERM');
  expect(await ended).toBe(0);
  expect(await states(world)).toEqual(['interrupted']);
});

test('drain: leave lets the run go on by itself, to be adopted', async () => {
  const world = await triggeredWorld(['drain: leave']);
  const first = await serve(world);
  await askForNight(first);
  const run = await runningProcess(world);
  expect(await first.end('SIGTERM')).toBe(0);
  expect(isAlive(run)).toBe(true);
  const second = await serve(world);
  await second.until(/build \d+_01 complete\n/);
  expect(await states(world)).toEqual(['complete']);
});

test('a schedule that is new has missed nothing; a missed night is caught up with once', async () => {
  const world = await makeWorld(temporaryFolder());
  onTestFinished(() => world.stop());
  const ago = new Date(Date.now() - 600_000);
  const cron = `${ago.getUTCSeconds()} ${ago.getUTCMinutes()} ${ago.getUTCHours()} * * *`;
  await appendFile(world.config, `    schedule: {cron: '${cron}'}\n`);
  await configureService(world);
  const first = await serve(world);
  expect(await first.end('SIGTERM')).toBe(0);
  expect(first.said()).not.toContain('missed');
  // As if the service had been away for the last hour.
  const anHourAgo = new Date(Date.now() - 3_600_000).toISOString();
  await writeJson(join(world.dir, 'work/service/state.json'), { moments: { nightly: anHourAgo }, jobs: [] });
  const second = await serve(world);
  await second.until('was missed and starts now');
  await second.until(/build \d+_01 complete\n/);
  expect(await second.end('SIGTERM')).toBe(0);
  const third = await serve(world);
  await sleep(1500);
  expect(third.said()).not.toContain('missed');
  expect(await states(world)).toEqual(['complete']);
});

test('I7: a second service on one work folder refuses, and says what to do', async () => {
  const world = await triggeredWorld();
  await serve(world);
  const { code, stderr } = await runCli(world.dir, ['serve']);
  expect(code).toBe(11);
  expect(stderr).toContain('Another service runs on the work folder');
  expect(stderr).toContain('systemctl stop');
});

test('I7: a run from the command line has the lock: the service waits for it and then finds nothing to do', async () => {
  const world = await triggeredWorld();
  const service = await serve(world);
  const byHand = startCli(world.dir, ['nightly']);
  const ended = new Promise((settle) => byHand.once('exit', settle));
  await untilStep(world, 'seed');
  process.kill(byHand.pid ?? 0, 'SIGSTOP');
  await askForNight(service);
  await service.until('nightly: waits for "nightly"');
  process.kill(byHand.pid ?? 0, 'SIGCONT');
  expect(await ended).toBe(0);
  await service.until(/build \d+_02 unchanged\n/);
  expect(await states(world)).toEqual(['complete', 'unchanged']);
});
