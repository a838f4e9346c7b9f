import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { type Rebuilt, rebuild } from '../../src/pipelines/rebuild.ts';
import { readRebuildRecords } from '../../src/rebuild/rebuild-records.ts';
import { helloSpec } from '../support/hello-source.ts';
import { lie, tamperedBy } from '../support/liar.ts';
import { startMachine } from '../support/machines.ts';
import { openTestBuilders } from '../support/rebuild-project.ts';
import { makeRebuildWorld, type RebuildWorld } from '../support/rebuild-world.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';
import { runCli } from '../support/world.ts';

// Machines that pass their check and tamper with what they build, all in the same way.
const dir = sharedFolder();
const task = testTask(dir);
let world: RebuildWorld;
let source: string;

beforeAll(async () => {
  world = await makeRebuildWorld(dir, { compiler: false });
  source = await world.source('hello', helloSpec());
});

/** Makes a project whose machines these are, by name and operator; those of operators called "bad…" lie. */
async function project(name: string, operators: Readonly<Record<string, string>>) {
  const own = join(dir, name);
  mkdirSync(own);
  const machines = [];
  for (const [machine, operator] of Object.entries(operators)) {
    const started = await startMachine({ name: machine, operator, lower: world.lower, dir: own });
    onTestFinished(started.stop);
    if (operator.startsWith('bad')) onTestFinished(lie(started));
    machines.push(started);
  }
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = join(own, 'results.pem');
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const statement = { verifier: 'https://rebuilds.example.org', key: { type: 'key-file', 'key-file': key } };
  const open = await openTestBuilders({ ...world, dir: own }, machines, { statement });
  const build = (about: { readonly sources?: readonly string[]; readonly on?: string; readonly due?: number }) =>
    rebuild(open, { sources: [], repoFiles: open.builders.repositories, scratch: false, ...about }, task);
  const standings = async () => {
    const { judged } = await readRebuildRecords({ ...open.config, builders: open.builders });
    return Object.fromEntries(judged.map(({ result, standing }) => [result.builder, standing]));
  };
  const cli = (...args: readonly string[]) => runCli(own, args);
  return { build, standings, cli };
}

function done([one]: readonly Rebuilt[]) {
  if (one && 'result' in one) return { ...one.result, ...one.accepted };
  throw one?.error ?? new Error('there is no result');
}

it('I18: two machines of one operator that lie alike are one word, never drawn together, and found by the duplicate of another', async () => {
  const { build, standings } = await project('one', {
    first: 'bad.example',
    second: 'bad.example',
    honest: 'good.example',
  });
  const lied = done(await build({ sources: [source], on: 'first' }));
  expect(lied).toMatchObject({ outcome: 'built', standing: 'duplicate-wanted' });
  // They agree, and that is worth nothing.
  const same = done(await build({ sources: [source], on: 'second' }));
  expect(same.packages).toEqual(lied.packages);
  expect(await standings()).toEqual({ first: 'duplicate-wanted', second: 'duplicate-wanted' });
  const due = Math.max(lied.duplicate?.notBefore ?? 0, same.duplicate?.notBefore ?? 0);
  for (const one of await build({ due, on: 'second' }))
    expect(one).toMatchObject({ error: { message: expect.stringContaining('an operator that has built the same') } });
  const duplicates = await build({ due });
  expect(duplicates.map((one) => 'result' in one && one.result.builder)).toEqual(['honest', 'honest']);
  // Nothing of any is published; a task, as long as nobody knows that the package can be reproduced.
  expect(await standings()).toEqual({ first: 'class-unknown', second: 'class-unknown', honest: 'class-unknown' });
});

it('I18: two operators that lie alike pass until a third builds the same; then a person is told what a majority is worth', async () => {
  const { build, standings, cli } = await project('two', {
    first: 'bad1.example',
    second: 'bad2.example',
    honest: 'good.example',
  });
  const lied = done(await build({ sources: [source], on: 'first' }));
  const same = done(await build({ due: lied.duplicate?.notBefore ?? 0, on: 'second' }));
  expect(same.packages).toEqual(lied.packages);
  // What the documentation says: nothing is found.
  expect(await standings()).toEqual({ first: 'accepted', second: 'accepted' });
  const third = done(await build({ sources: [source], on: 'honest' }));
  expect(third).toMatchObject({ standing: 'disputed' });
  expect(await standings()).toEqual({ first: 'disputed', second: 'disputed', honest: 'disputed' });
  const [id = ''] = third.disputes ?? [];
  const shown = await cli('disputes', 'show', id);
  expect(shown.stdout).toContain('the odd one out is not necessarily the cheat');
  expect(await cli('disputes', 'resolve', id, ...tamperedBy('first'))).toMatchObject({ code: 0 });
  // What was tampered with counts for nothing, whoever sends it.
  expect(await standings()).toMatchObject({ first: 'rejected', second: 'rejected' });
});
