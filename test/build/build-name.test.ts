import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resolveBuildName } from '../../src/build/build-name.ts';
import { buildPaths, surveyBuilds } from '../../src/build/build-store.ts';
import { makePageBuilds, type PageBuilds } from '../support/page-builds.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { runCli } from '../support/world.ts';

let dir: string;
let builds: PageBuilds;
let work: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-'));
  builds = await makePageBuilds(dir, 12);
  work = builds.config.work;
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const of = (name: string): Promise<string> => resolveBuildName(work, name);

test('latest, tested and released are the newest of their kind, also of one stream', async () => {
  const all = (await surveyBuilds(work)).builds.map(({ meta }) => meta);
  const complete = all.filter(({ state }) => state === 'complete');
  expect(await of('latest')).toBe(complete[0]?.buildid);
  expect(await of('latest:nightly')).toBe(complete.find(({ stream }) => stream === 'nightly')?.buildid);
  expect(await of('tested')).toBe(complete.find(({ smokeTests }) => Object.keys(smokeTests ?? {}).length > 0)?.buildid);
  expect(await of('released')).toBe(builds.released);
  await expect(of('latest:nowhere')).rejects.toMatchObject({ code: 'not-found' });
});

test('-1 is the newest whatever became of it, -2 the one before, in the order of "list"', async () => {
  const ids = (await surveyBuilds(work)).builds.map(({ meta }) => meta.buildid);
  expect(await Promise.all(['-1', '-2', `-${ids.length}`].map(of))).toEqual([ids[0], ids[1], ids.at(-1)]);
  await expect(of(`-${ids.length + 1}`)).rejects.toMatchObject({ code: 'not-found' });
});

test('the beginning of an id is enough where one build has it, and lists them where several do', async () => {
  expect(await of('20261005')).toBe('20261005_01');
  await expect(of('20261004')).rejects.toThrow('2 builds begin with "20261004": 20261004_02, 20261004_01.');
  await expect(of('20251005')).rejects.toMatchObject({ code: 'not-found' });
});

test('an id, and what is no name of a build, are left as they are', async () => {
  for (const word of ['20261005_01', '20991231_01', 'ab'.repeat(32), 'yesterday', '-0', '-x', 'latest:']) {
    expect(await of(word)).toBe(word);
  }
});

test('I15: a damaged record stops only names that may mean its build', async () => {
  const other = await makePageBuilds(temporaryFolder(), 12);
  const spoil = (id: string) => writeFile(buildPaths(other.config.work, id, 'x86_64').meta, '{');
  await spoil('20261001_01');
  expect(await resolveBuildName(other.config.work, 'latest')).toBe(await of('latest'));
  await spoil(await of('-1'));
  await expect(resolveBuildName(other.config.work, 'latest')).rejects.toMatchObject({ code: 'record' });
  expect(await resolveBuildName(other.config.work, '-1')).toBe(await of('-1'));
});

test('a command that is given a name says on standard error which build that is', async () => {
  const shown = await runCli(dir, ['show', '20261005', '--json']);
  expect(shown.stderr).toBe('20261005 is build 20261005_01\n');
  expect(JSON.parse(shown.stdout)).toMatchObject({ buildid: '20261005_01' });
  const newest = await runCli(dir, ['log', '-1']);
  expect(newest.stderr).toBe(`-1 is build ${await of('-1')}\n`);
  expect(newest.code).toBe(0);
});

test('fetch names the targets there are when it is given another', async () => {
  const { code, stderr } = await runCli(dir, ['fetch', '20260101_01', '--from', 'nowhere']);
  expect([code, stderr]).toEqual([2, expect.stringContaining('There is no target "nowhere".')]);
});

test('list shows a state, or so many of the newest', async () => {
  const states = async (...options: string[]): Promise<string[]> => {
    const { stdout } = await runCli(dir, ['list', '--json', ...options]);
    return JSON.parse(stdout).map((one: { 'atomic-nightly.state': string }) => one['atomic-nightly.state']);
  };
  expect(new Set(await states('--state', 'unchanged'))).toEqual(new Set(['unchanged']));
  expect(await states('--limit', '2')).toHaveLength(2);
  expect((await runCli(dir, ['list', '--state', 'running'])).stdout).toBe('No build is like that.\n');
  expect((await runCli(dir, ['list', '--stream', 'nigthly'])).stdout).toMatch(
    /^There is no stream "nigthly", .*Did you mean "nightly"\?\n$/,
  );
  expect((await runCli(dir, ['list', '--limit', '1'])).stdout).toMatch(/^BUILD +STREAM +STATE +AGE .*\n20261012_01 /);
});
