import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { listDisputes } from '../../src/rebuild/dispute-list.ts';
import { resultFolder } from '../../src/rebuild/rebuild-folder.ts';
import { readRebuildList } from '../../src/rebuild/rebuild-list.ts';
import { readRebuildRecords } from '../../src/rebuild/rebuild-records.ts';
import type { RebuildResult } from '../../src/rebuild/result.ts';
import { DAMAGE } from '../support/damage.ts';
import { keepManyResults } from '../support/many-results.ts';
import { buildMiniRpm } from '../support/mini-rpm.ts';
import { sharedFolder } from '../support/tmp.ts';
import { type RebuildWorld, rebuildWorld } from '../support/trust-world.ts';

const dir = sharedFolder();
let world: RebuildWorld;
let results: readonly RebuildResult[];
let index: string;

beforeAll(async () => {
  world = await rebuildWorld(dir);
  results = await keepManyResults(world, { results: 12, disputed: 3 });
  index = join(world.config.work, 'rebuild/listed.json');
});

/** A list and what the records say, in the same words. */
async function both() {
  const [list, records] = [await readRebuildList(world.config), await readRebuildRecords(world.config)];
  const standings = (all: readonly { job: string; standing: string; operators: readonly string[] }[]) =>
    new Map(all.map(({ job, standing, operators }) => [job, `${standing} ${operators.join(' ')}`]));
  return {
    listed: {
      standings: standings(list.results),
      disputes: list.disputes.map(({ id, open, verdict }) => [id, open, verdict?.verdict]),
      faults: list.faults.map(({ message }) => message).sort(),
    },
    recorded: {
      standings: standings(records.judged.map(({ result, ...judgement }) => ({ job: result.job, ...judgement }))),
      disputes: listDisputes(records).map(({ dispute, open, verdicts }) => [
        dispute.id,
        open,
        verdicts.at(-1)?.verdict,
      ]),
      faults: records.faults.map(({ message }) => message).sort(),
    },
  };
}

it('I18: lists say what the records say, whether they were read before or not', async () => {
  for (const turn of ['first', 'again']) {
    const { listed, recorded } = await both();
    expect([turn, listed]).toEqual([turn, recorded]);
  }
  expect((await both()).listed.disputes.map(([, open]) => open)).toEqual([true, false, false]);
});

it('I18: a record that was changed in place counts for nothing, though its size and time are as they were', async () => {
  const [result] = results.slice(-1);
  const path = join(resultFolder(world.config.work, result?.job ?? ''), 'result.json');
  const [text, { atime, mtime }] = [readFileSync(path, 'utf8'), statSync(path)];
  writeFileSync(path, text.replaceAll(result?.packages[0]?.header ?? '', 'f'.repeat(64)));
  utimesSync(path, atime, mtime);
  const changed = await both();
  expect(changed.listed).toEqual(changed.recorded);
  expect(changed.listed.standings.has(result?.job ?? '')).toBe(false);
  expect(changed.listed.faults).toEqual([expect.stringMatching(/it is about another result than the one on record/)]);
  // Told each time.
  expect((await readRebuildList(world.config)).faults).toHaveLength(1);
  writeFileSync(path, text);
  expect((await both()).listed.standings.size).toBe(results.length);
});

it('I18: what another key has signed is not believed because it was verified once', async () => {
  const before = readFileSync(join(dir, 'own.pem'));
  await readRebuildList(world.config);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(join(dir, 'own.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const { results: listed, faults } = await readRebuildList(world.config);
  expect(listed).toEqual([]);
  // Verdicts as well.
  expect(faults).toHaveLength(results.length + 2);
  writeFileSync(join(dir, 'own.pem'), before);
  expect((await both()).listed.standings.size).toBe(results.length);
});

it.each(DAMAGE)('I15: an index that is %s costs a read of the records, and is made anew', async (how, spoil) => {
  const { listed } = await both();
  spoil(index);
  expect([how, (await both()).listed]).toEqual([how, listed]);
  expect(JSON.parse(readFileSync(index, 'utf8')).results).toHaveLength(results.length);
  rmSync(index, { recursive: true });
  expect((await both()).listed).toEqual(listed);
});

it('a result that is taken is in the index at once: no list reads it a second time', async () => {
  const rpm = await buildMiniRpm({ name: 'hello', version: '1.0', release: '1', arch: 'x86_64', files: [] });
  const { result } = await world.submit({ builder: 'alpha', rpms: [rpm] });
  const { ino } = statSync(index);
  const { results: listed } = await readRebuildList(world.config);
  expect(listed.find(({ job }) => job === result.job)?.standing).toBe('accepted');
  expect(statSync(index).ino).toBe(ino);
});
