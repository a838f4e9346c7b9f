import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { httpFetch } from '../../src/base/http.ts';
import { askServers, timeIn } from '../../src/base/server-time.ts';
import { datedBuilds, doubtOf, insistOnClock, LIMIT_SECONDS } from '../../src/run/clock.ts';
import { issueCertificate, makePrivateCa, serveOverTls } from '../support/proxy-world.ts';
import { temporaryFolder } from '../support/tmp.ts';

const NOW = Date.UTC(2026, 10, 28, 12) / 1000;
const DAY = 86_400;
const far = (ahead: number) => ({ origin: 'https://far.example', ahead, confirms: true });
const here = (ahead: number) => ({ origin: 'http://127.0.0.1:8080', ahead, confirms: false });

describe('I8: a clock is in doubt when more servers contradict than confirm it', () => {
  it.each([
    [
      '400 days ahead of the only server',
      [far(-400 * DAY)],
      /400 days ahead of the others .*far\.example says 2025-10-24/,
    ],
    ['400 days behind', [far(400 * DAY)], /400 days behind the others/],
    ['a server here cannot confirm the clock', [here(0), far(-3 * DAY)], /3 days ahead/],
    ['a server here can contradict it', [here(-3 * DAY)], /3 days ahead/],
    ['two against one', [far(0), far(5 * DAY), far(6 * DAY)], /5 days behind/],
  ])('%s', (_, witnesses, doubt) => expect(doubtOf(NOW, witnesses)).toMatch(doubt));

  it.each([
    ['nobody answers', []],
    ['a time zone off', [far(LIMIT_SECONDS), far(-LIMIT_SECONDS)]],
    ['one that is wrong, one that confirms', [far(-400 * DAY), far(1)]],
    ['only a server here', [here(0)]],
  ])('not: %s', (_, witnesses) => expect(doubtOf(NOW, witnesses)).toBeUndefined());

  it('by builds of a later day where no server confirms it; old ones say nothing', () => {
    expect(doubtOf(NOW, [here(0)], datedBuilds(['20261128_01', '20280102_01', '20271230_01']))).toMatch(
      /build 20280102_01 .*days behind/,
    );
    expect(doubtOf(NOW, [far(0)], datedBuilds(['20280102_01']))).toBeUndefined();
    expect(doubtOf(NOW, [], datedBuilds(['20261129_01', '20200101_01', 'no id']))).toBeUndefined();
  });

  it('by metadata of repositories in the same way', () => {
    const metadata = [{ what: 'metadata of repository "base"', at: NOW + 400 * DAY }];
    expect(doubtOf(NOW, [here(0)], metadata)).toMatch(/repository "base", which is 400 days behind/);
    expect(doubtOf(NOW, [far(0)], metadata)).toBeUndefined();
  });

  it('and the message says what to do', () => {
    expect(() => insistOnClock('it is 3 days ahead', NOW)).toThrow(
      expect.objectContaining({
        code: 'clock',
        hint: expect.stringMatching(/timedatectl.*ATOMIC_NIGHTLY_TRUST_CLOCK=1/),
      }),
    );
    expect(() => insistOnClock(undefined, NOW)).not.toThrow();
  });
});

it('the time in an answer is its Date, and its Age where a cache kept it', () => {
  const time = (date: string, age = '') => timeIn(new Headers({ date, age }));
  expect(time('Sat, 28 Nov 2026 12:00:00 GMT')).toBe(NOW);
  expect(time('Sat, 28 Nov 2026 11:00:00 GMT', '3600')).toBe(NOW);
  for (const bad of ['', 'yesterday', '2026-11-28', 'Sat, 99 Nov 2026 12:00:00 GMT', '0'])
    expect(time(bad)).toBeUndefined();
  expect(time('Sat, 28 Nov 2026 12:00:00 GMT', '-5')).toBe(NOW);
});

it('I8: a server whose certificate is not good by this clock can contradict the clock, and cannot confirm it', async () => {
  const dir = temporaryFolder();
  const root = join(dir, 'root');
  await mkdir(root);
  const ca = await makePrivateCa(join(dir, 'ca'));
  const expired = await issueCertificate(ca, join(dir, 'expired'), 'subjectAltName=DNS:localhost,IP:127.0.0.1', -1);
  const tls = await serveOverTls(join(dir, 'tls'), { ca: { ...ca, ...expired }, root });
  onTestFinished(() => tls.stop());
  const url = `https://localhost:${tls.port}/`;
  const connection = { caFile: ca.ca, login: { username: 'u', password: 'not for strangers' } };
  const { signal } = new AbortController();
  await expect(httpFetch(url, {}, connection)).rejects.toThrow(/certificate has expired/);
  const [witness] = await askServers([{ url, connection }], signal);
  expect(witness).toMatchObject({ origin: url.slice(0, -1), confirms: false });
  expect(Math.abs(witness?.ahead ?? Number.NaN)).toBeLessThan(60);
  const ahead = { ...far(-400 * DAY), confirms: false };
  expect(doubtOf(NOW, [ahead])).toMatch(/400 days ahead/);
});
