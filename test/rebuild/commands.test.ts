import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { isSignedBy, parseEnvelope } from '../../src/attest/dsse.ts';
import { recordCheck } from '../../src/rebuild/builder-ledger.ts';
import { statementOf } from '../../src/rebuild/rebuild-records.ts';
import { buildMiniRpm, type MiniRecipe } from '../support/mini-rpm.ts';
import { sharedFolder } from '../support/tmp.ts';
import { NOON, type RebuildWorld, rebuildWorld } from '../support/trust-world.ts';
import { runCli } from '../support/world.ts';

const recipe = (text: string): MiniRecipe => ({
  ...{ name: 'hello', version: '1.0', release: '1', arch: 'x86_64' },
  files: [{ path: '/usr/bin/hello', text, mode: '0755' }],
});

const dir = sharedFolder();
let world: RebuildWorld;
let id = '';
const cli = (...args: string[]) => runCli(dir, args);

beforeAll(async () => {
  world = await rebuildWorld(dir);
  const [one, other] = [await buildMiniRpm(recipe('one')), await buildMiniRpm(recipe('other'))];
  await world.submit({ builder: 'alpha', rpms: [one] });
  const { disputes } = await world.submit({ builder: 'beta', rpms: [other] });
  id = disputes[0] ?? '';
  await recordCheck(world.config.work, 'alpha', { at: NOON, ok: true, probe: 'ab', faults: [] });
});

describe('builders', () => {
  test('lists who rebuilds, with level, last check, jobs and disputes; promotions are on record for good', async () => {
    const { code, stdout } = await cli('builders');
    expect(code).toBe(0);
    expect(
      stdout
        .split('\n')
        .slice(0, 3)
        .map((line) => line.split(/ {2,}/)),
    ).toEqual([
      ['NAME', 'OPERATOR', 'LEVEL', 'LAST CHECK', 'JOBS', 'CONFIRMED', 'DISPUTES'],
      ['alpha', 'one.example', 'new', '2026-11-21T12:00Z good', '1', '0', '1 (1 open)'],
      ['beta', 'two.example', 'new', 'never', '1', '0', '1 (1 open)'],
    ]);
    const by = ['--by', 'Jane Doe', '--reason', '200 results'];
    expect((await cli('builders', 'promote', 'alpha', ...by)).stdout).toBe('alpha: new → proven\n');
    expect((await cli('builders', 'promote', 'alpha', ...by)).stdout).toBe('alpha: proven → sponsor\n');
    expect(await cli('builders', 'promote', 'alpha', ...by)).toMatchObject({ code: 2 });
    expect((await cli('builders', 'suspend', 'alpha', '--by', 'Joe', '--reason', 'moved')).stdout).toBe(
      'alpha: sponsor → suspended\n',
    );
    expect((await cli('builders', 'promote', 'alpha', ...by)).stdout).toBe('alpha: suspended → new\n');
    expect(await cli('builders', 'promote', 'alfa', ...by)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Did you mean "alpha"'),
    });
    expect(await cli('builders', 'suspend', 'alpha', '--by', ' ', '--reason', 'x')).toMatchObject({ code: 2 });
    const [alpha] = JSON.parse((await cli('builders', '--json')).stdout).builders;
    expect(
      alpha.history.map(({ level, by: who, reason }: Record<string, string>) => `${level} ${who}: ${reason}`),
    ).toEqual([
      'proven Jane Doe: 200 results',
      'sponsor Jane Doe: 200 results',
      'suspended Joe: moved',
      'new Jane Doe: 200 results',
    ]);
  });

  test('I15: a history that is damaged stops its builder, and no other', async () => {
    const path = join(world.config.work, 'rebuild/builders/gamma.json');
    writeFileSync(path, '{"ledger-version": 1');
    const { code, stdout } = await cli('builders', '--json');
    expect(code).toBe(1);
    const { builders } = JSON.parse(stdout);
    const gamma = builders.find(({ name }: { name: string }) => name === 'gamma');
    expect(gamma.fault).toMatch(/gamma\.json is damaged/);
    expect(gamma.level).toBeUndefined();
    expect(builders.find(({ name }: { name: string }) => name === 'alpha').level).toBe('new');
  });

  test('draws: commitments, a signed statement of them, and the check of a day', async () => {
    const listed = await cli('builders', 'draws');
    expect(listed.stdout).toMatch(/^DAY +COMMITMENT +SECRET\n2026-11-21 {2}[0-9a-f]{64} {2}[0-9a-f]{64}\n/);
    const file = join(dir, 'www/draws.intoto.jsonl');
    expect((await cli('builders', 'draws', '--publish', file)).code).toBe(0);
    const envelope = parseEnvelope(readFileSync(file), file);
    expect(await isSignedBy(envelope, await statementOf(world.config).signer.publicKey())).toBe(true);
    expect(JSON.parse(envelope.payload.toString()).predicate.days[0]).toMatchObject({ day: '2026-11-21' });
    const checked = await cli('builders', 'draws', '--check', '2026-11-21');
    expect(checked.stdout).toMatch(/one\.example\/alpha {2}it was drawn at 0|one\.example\/alpha {2}not drawn/);
    expect(checked).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('2026-11-21: 2 results, 0 drawn, 0 not as they should be'),
    });
    expect(await cli('builders', 'draws', '--check', '2020-01-01')).toMatchObject({ code: 1 });
  });
});

describe('disputes', () => {
  test('are listed, shown with what differs, and resolved by a person, whose verdict stays', async () => {
    const listed = await cli('disputes');
    expect(listed).toMatchObject({
      code: 12,
      stdout: expect.stringMatching(new RegExp(`^DISPUTE .*\n${id} .* open task .* hello-1.0-1.src`)),
    });
    const { stdout } = await cli('disputes', 'show', id);
    for (const part of [
      'open task',
      'class unknown',
      'FILEDIGESTS: 1 value differs',
      '/usr/bin/hello: ',
      'evidence: ',
      'not necessarily the cheat',
    ])
      expect(stdout).toContain(part);
    expect(await cli('disputes', 'show', 'nothing')).toMatchObject({ code: 1 });
    const resolve = (...args: string[]) => cli('disputes', 'resolve', id, '--by', 'Jane Doe', ...args);
    expect(await resolve('--verdict', 'tampered', '--note', 'x')).toMatchObject({ code: 2 });
    expect(await resolve('--verdict', 'tampered', '--note', 'x', '--builder', 'gamma')).toMatchObject({ code: 2 });
    const done = await resolve(
      '--verdict',
      'tampered',
      '--note',
      'three more built what alpha did',
      '--builder',
      'beta',
    );
    expect(done).toMatchObject({
      code: 0,
      stdout: `${id}: tampered, says Jane Doe.\n  beta: new → suspended\n  1 result counts for nothing\n`,
    });
    expect(await cli('disputes')).toMatchObject({ code: 0, stdout: 'None is open.\n' });
    // Later somebody finds that it was no fraud: both verdicts stay, the last one counts.
    expect((await resolve('--verdict', 'not-reproducible', '--note', 'embeds the date')).code).toBe(0);
    const [all] = JSON.parse((await cli('disputes', '--all', '--json')).stdout);
    expect(all.verdicts.map(({ verdict }: { verdict: string }) => verdict)).toEqual(['tampered', 'not-reproducible']);
    expect((await world.judged()).map(({ standing }) => standing)).toEqual(['accepted', 'accepted']);
  });
});
