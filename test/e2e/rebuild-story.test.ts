import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { markRebuilt, type OpenBuilders, type Rebuilt, rebuild } from '../../src/pipelines/rebuild.ts';
import { lie, tamperedBy } from '../support/liar.ts';
import { startMachine, type TestMachine } from '../support/machines.ts';
import { openTestBuilders } from '../support/rebuild-project.ts';
import { makeRebuildWorld, type RebuildWorld } from '../support/rebuild-world.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';
import { type CliResult, runCli } from '../support/world.ts';

// Three operators, one of whom lies: from the first result to the verdict. Each test goes on from the one before.
const dir = sharedFolder();
const task = testTask(dir);
const CLOCK = new URL('../support/clock.mjs', import.meta.url).href;
let world: RebuildWorld;
let open: OpenBuilders;
const machines: TestMachine[] = [];

const spec = (text: string): string => `BuildArch: noarch
%description
test
%install
mkdir -p %{buildroot}/usr/share/hello
echo ${text} > %{buildroot}/usr/share/hello/made
%files
/usr/share/hello`;

beforeAll(async () => {
  world = await makeRebuildWorld(dir, { compiler: false });
  for (const [name, operator] of [
    ['alpha', 'example.org'],
    ['beta', 'example.net'],
    ['liar', 'example.com'],
  ] as const) {
    machines.push(await startMachine({ name, operator, lower: world.lower, dir }));
  }
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = join(dir, 'results.pem');
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const statement = { verifier: 'https://rebuilds.example.org', key: { type: 'key-file', 'key-file': key } };
  open = await openTestBuilders(world, machines, { statement });
});
afterAll(async () => {
  for (const machine of machines) await machine.stop();
});

const cli = (...args: readonly string[]): Promise<CliResult> => runCli(dir, args);
/** The command line a day later: every duplicate is due by then. */
const tomorrow = (...args: readonly string[]): Promise<CliResult> =>
  runCli(dir, args, { NODE_OPTIONS: `--import=${CLOCK}`, CLOCK_DAYS: '1' });

/** What the command does: a job is over once somebody was told of its result. */
async function build(about: { readonly sources?: readonly string[]; readonly on?: string; readonly due?: number }) {
  const request = { sources: [], repoFiles: open.builders.repositories, scratch: false, ...about };
  const results = await rebuild(open, request, task);
  await markRebuilt(open, results);
  return results;
}

function done(one: Rebuilt | undefined) {
  if (one && 'result' in one) return { ...one.result, ...one.accepted };
  throw one?.error ?? new Error('there is no result');
}

it('what a new builder made is built by another operator, and counts once both are the same', async () => {
  const source = await world.source('hello', spec('one'));
  const first = done((await build({ sources: [source], on: 'alpha' }))[0]);
  expect(first).toMatchObject({ outcome: 'built', standing: 'duplicate-wanted', disputes: [] });
  const from = first.duplicate?.notBefore ?? 0;
  expect(await build({ due: from - 1 })).toEqual([]);
  const second = done((await build({ due: from }))[0]);
  expect(second).toMatchObject({
    job: first.duplicate?.job,
    duplicateOf: first.job,
    root: first.root,
    standing: 'accepted',
  });
  expect(second.operator).not.toBe('example.org');
  expect(second.packages).toEqual(first.packages);
  expect(await build({ due: from })).toEqual([]);
  const { builders } = JSON.parse((await cli('builders', '--json')).stdout);
  expect(builders.find(({ name }: { name: string }) => name === 'alpha')).toMatchObject({ level: 'new' });
});

it('a suspended builder gets no job', async () => {
  const why = ['--by', 'Jane Doe', '--reason', 'its operator asked for it'];
  expect(await cli('builders', 'suspend', 'alpha', ...why)).toMatchObject({ code: 0 });
  const refused = await cli('rebuild', join(dir, 'sources/hello/hello.src.rpm'), '--on', 'alpha');
  expect(refused.stdout).toContain('alpha is suspended, and gets no job.');
  expect(refused.code).toBe(12);
  expect(await cli('builders', 'promote', 'alpha', ...why)).toMatchObject({ code: 0 });
});

it('a liar passes its check, a duplicate finds it out, nothing of it counts, and a person says who it was', async () => {
  const [, , liar] = machines;
  if (!liar) throw new Error('there is no liar');
  const honest = lie(liar);
  const source = await world.source('hello', spec('two'));
  const lied = done((await build({ sources: [source], on: 'liar' }))[0]);
  honest();
  expect(lied).toMatchObject({ outcome: 'built', standing: 'duplicate-wanted' });
  const found = await tomorrow('rebuild', '--due', '--json');
  const [result] = JSON.parse(found.stdout).results;
  expect(result).toMatchObject({ standing: 'disputed', disputes: [expect.any(String)] });
  expect(found.code).toBe(12);
  const [id] = result.disputes;
  expect((await cli('disputes')).stdout).toContain(id);
  expect((await cli('disputes', 'show', id)).stdout).toMatch(/buildhost|tampered/i);
  expect(await cli('disputes', 'resolve', id, ...tamperedBy('liar'))).toMatchObject({ code: 0 });
  const { builders } = JSON.parse((await cli('builders', '--json')).stdout);
  expect(builders.find(({ name }: { name: string }) => name === 'liar')).toMatchObject({ level: 'suspended' });
  expect(await cli('rebuild', source, '--on', 'liar')).toMatchObject({ code: 12 });
});
