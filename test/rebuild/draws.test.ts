import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkDraws } from '../../src/rebuild/check-draws.ts';
import { drawDays, keepDrawSecrets, readDrawDay, secretOf } from '../../src/rebuild/draw-secrets.ts';
import { dayAt, decideDuplicate } from '../../src/rebuild/draws.ts';
import { newDuplicate } from '../../src/rebuild/duplicates.ts';
import type { KeptResult } from '../../src/rebuild/result-store.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { NOON, rebuildWorld } from '../support/trust-world.ts';

const hex = (text: string, digits = 64) => createHash('sha256').update(text).digest('hex').slice(0, digits);
const DAY = 86_400;

/** A result as far as a draw looks at it. */
const drawn = (number: number) => ({
  job: hex(`job ${number}`, 32),
  packages: [{ file: 'a.rpm', nevra: 'a-1-1.x86_64', header: hex('h'), sha256: hex(`file ${number}`), size: 1 }],
});

describe('which results are built twice', () => {
  test('10,000 draws meet the rate, whatever it and the secret are', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (rate, secret) => {
          const hits = Array.from({ length: 10_000 }, (_, number) =>
            decideDuplicate(drawn(number), rate, secret),
          ).filter(Boolean);
          // Five standard deviations: once in two million draws of 10,000.
          const allowed = 5 * Math.sqrt(10_000 * rate * (1 - rate)) + 1;
          expect(Math.abs(hits.length - 10_000 * rate)).toBeLessThanOrEqual(allowed);
        },
      ),
      { numRuns: 4, seed: 19 },
    );
  });

  test('all at a rate of 1, none at 0', () => {
    const secret = Buffer.alloc(32, 7);
    const draws = (rate: number) => Array.from({ length: 1000 }, (_, at) => decideDuplicate(drawn(at), rate, secret));
    expect(draws(1)).not.toContain(false);
    expect(draws(0)).not.toContain(true);
  });

  test('nobody can tell without the secret: under another, about half agree; and the digest counts as the job does', () => {
    const under = (secret: Uint8Array) =>
      Array.from({ length: 4000 }, (_, at) => decideDuplicate(drawn(at), 0.5, secret));
    const [one, other] = [under(Buffer.alloc(32, 1)), under(Buffer.alloc(32, 2))];
    const same = one.filter((wanted, at) => wanted === other[at]).length;
    expect(same).toBeGreaterThan(1800);
    expect(same).toBeLessThan(2200);
    const first = drawn(1);
    const changed = Array.from({ length: 200 }, (_, at) =>
      decideDuplicate({ ...first, packages: drawn(at).packages }, 0.5, Buffer.alloc(32, 1)),
    );
    expect(new Set(changed).size).toBe(2);
  });

  test('a duplicate has a job and a delay that nobody can tell', () => {
    const all = Array.from({ length: 200 }, () => newDuplicate(NOON));
    expect(new Set(all.map(({ job }) => job)).size).toBe(200);
    expect(new Set(all.map(({ notBefore }) => notBefore)).size).toBeGreaterThan(100);
    expect(all.every(({ notBefore }) => notBefore >= NOON && notBefore <= NOON + 1800)).toBe(true);
  });
});

describe('the secret of a day', () => {
  test('is fixed the day before, is for nobody else, and is revealed an hour after its day', async () => {
    const work = temporaryFolder();
    await keepDrawSecrets(work, NOON);
    const [today, tomorrow] = [dayAt(NOON), dayAt(NOON + DAY)];
    const [first, second] = await drawDays(work);
    expect([first?.day, second?.day]).toEqual([today, tomorrow]);
    const path = join(work, 'rebuild/draws', `${tomorrow}.secret`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(second?.secret).toBeUndefined();
    const midnight = (Math.floor(NOON / DAY) + 1) * DAY;
    await keepDrawSecrets(work, midnight + 3599);
    expect((await readDrawDay(work, today)).secret).toBeUndefined();
    await keepDrawSecrets(work, midnight + 3600);
    const { secret = '', commitment } = await readDrawDay(work, today);
    expect(createHash('sha256').update(Buffer.from(secret, 'hex')).digest('hex')).toBe(commitment);
    expect(secret).toBe(readFileSync(join(work, 'rebuild/draws', `${today}.secret`), 'utf8').trim());
    await keepDrawSecrets(work, NOON + DAY);
    const later = await readDrawDay(work, tomorrow);
    expect([later.commitment, later.madeAt]).toEqual([second?.commitment, NOON]);
  });

  test('is the same after a kill between its two files, and refused when it is another than was committed to', async () => {
    const work = temporaryFolder();
    await keepDrawSecrets(work, NOON);
    const day = dayAt(NOON);
    const before = await readDrawDay(work, day);
    rmSync(join(work, 'rebuild/draws', `${day}.json`));
    await keepDrawSecrets(work, NOON);
    expect((await readDrawDay(work, day)).commitment).toBe(before.commitment);
    writeFileSync(join(work, 'rebuild/draws', `${day}.secret`), `${'0'.repeat(64)}\n`);
    await expect(secretOf(work, before)).rejects.toMatchObject({ code: 'record' });
    expect(existsSync(join(work, 'rebuild/draws', `${dayAt(NOON + DAY)}.json`))).toBe(true);
  });
});

test('the check of a day finds who was spared, who was picked, who was drawn at less, and a duplicate at the same operator', async () => {
  const world = await rebuildWorld(temporaryFolder());
  const secret = hex('secret');
  const day = {
    dayVersion: 1 as const,
    day: dayAt(NOON),
    commitment: createHash('sha256').update(Buffer.from(secret, 'hex')).digest('hex'),
    madeAt: NOON - DAY,
    secret,
  };
  const rates = { new: 0.5, proven: 0.2, sponsor: 0 };
  const kept = async (change: (wanted: boolean) => Partial<KeptResult['draw']> | null): Promise<KeptResult> => {
    const result = await world.result({ builder: 'beta', rpms: [] });
    const wanted = decideDuplicate(result, 0.5, Buffer.from(secret, 'hex'));
    const draw = change(wanted);
    if (draw === null) return { result, draw: undefined };
    return { result, draw: { drawVersion: 1, day: day.day, level: 'new', rate: 0.5, wanted, ...draw } };
  };
  const of = async (results: readonly KeptResult[]) =>
    checkDraws(day, results, new Map([['beta', { name: 'beta', ledgerVersion: 1, history: [] }]]), rates);
  const many = await Promise.all(Array.from({ length: 40 }, () => kept(() => ({}))));
  const good = await of(many);
  expect(good.draws.filter(({ fault }) => fault !== undefined)).toEqual([]);
  expect(good.faults).toEqual([]);
  const turned = await Promise.all(Array.from({ length: 40 }, () => kept((wanted) => ({ wanted: !wanted }))));
  const faults = new Set((await of(turned)).draws.map(({ fault }) => fault));
  expect([...faults].sort()).toEqual(['it was picked though it was not drawn', 'it was spared though it was drawn']);
  const one = async (result: KeptResult, ...more: KeptResult[]) => (await of([result, ...more])).draws[0];
  expect((await one(await kept(() => null)))?.fault).toBe('nothing was drawn for it');
  expect((await one(await kept(() => ({ level: 'sponsor', rate: 0, wanted: false }))))?.fault).toMatch(
    /as of a builder that is sponsor, and it was new/,
  );
  expect((await one(await kept(() => ({ rate: 0.1 }))))?.fault).toMatch(/at 0.1, less than the 0.5/);
  const wanted = many.find(({ draw }) => draw?.wanted);
  if (!wanted) throw new Error('none was drawn');
  expect(await one(wanted)).toMatchObject({ waits: true, fault: undefined });
  const again = async (builder: 'delta' | 'alpha') => ({
    result: await world.result({ builder, rpms: [], duplicateOf: wanted.result.job }),
    draw: undefined,
  });
  expect((await one(wanted, await again('delta')))?.fault).toBe('its duplicate ran at two.example as well');
  expect(await one(wanted, await again('alpha'))).toMatchObject({ waits: false, fault: undefined });
  expect(checkDraws({ ...day, commitment: hex('other') }, many, new Map(), rates).faults).toHaveLength(1);
  expect(checkDraws({ ...day, madeAt: NOON + 1 }, many, new Map(), rates).faults).toHaveLength(1);
});
