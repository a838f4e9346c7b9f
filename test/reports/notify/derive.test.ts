import { expect, test } from 'vitest';
import type { BuildMeta } from '../../../src/build/build-record.ts';
import type { BuildState } from '../../../src/build/outcomes.ts';
import { aboutBuild, asEvent, badBefore, endEvent, expiringKeys } from '../../../src/reports/notify/derive.ts';
import type { KeyInfo } from '../../../src/signing/key-info.ts';

const META: BuildMeta = {
  name: 'mini',
  buildid: '20261121_02',
  basearch: 'x86_64',
  ref: 'mini/x86_64/nightly',
  ostreeTimestamp: '2026-11-21T03:00:00Z',
  stream: 'nightly',
  state: 'complete',
};

const types = (state: BuildState, earlier: readonly string[], self = 'running', meta = META) =>
  endEvent({ state, seconds: 1 }, meta, { self, earlier }).map(({ type }) => type);

test.each([
  [[], undefined],
  [['complete', 'failed'], undefined],
  [['failed', 'complete'], 'failed'],
  [['interrupted', 'running', 'gate-failed'], 'gate-failed'],
  // Nothing to build: a night that failed is made good by that, images that are missing are not.
  [['unchanged', 'failed', 'complete'], undefined],
  [['unchanged', 'unchanged', 'incomplete', 'failed'], 'incomplete'],
])('how a stream stood after %j', (states, expected) => {
  expect(badBefore(states)).toBe(expected);
});

test('the first good end after a bad one is told as recovered, once', () => {
  expect(types('complete', ['complete'])).toEqual(['complete']);
  expect(types('complete', ['failed', 'complete'])).toEqual(['complete', 'recovered']);
  expect(types('complete', ['complete', 'failed'])).toEqual(['complete']);
  expect(types('unchanged', ['failed'])).toEqual(['unchanged', 'recovered']);
  expect(types('unchanged', ['incomplete'])).toEqual(['unchanged']);
});

test('a build that was resumed has recovered from its own failure; one that was well already is not told again', () => {
  expect(types('complete', ['complete'], 'failed')).toEqual(['complete', 'recovered']);
  expect(types('complete', [], 'complete')).toEqual([]);
  expect(types('incomplete', [], 'complete')).toEqual(['incomplete']);
});

test('a promotion and a withdrawal end in their own words', () => {
  const promotion = { of: '20261120_01', commit: 'c', stream: 'nightly', attempt: 1, recommit: false, overrides: [] };
  const more = { excludes: [], acceptDifferences: false, supersedes: [] };
  expect(types('complete', [], 'running', { ...META, promotion: { ...promotion, ...more } })).toEqual(['promoted']);
  const withdrawal = { of: '20261101_01', previous: '20261001_01', reason: 'broken' };
  expect(types('complete', [], 'running', { ...META, withdrawal })).toEqual(['withdrawn']);
});

test('an event names the first packages and says how many there are; failures are told in one line', () => {
  const pkgdiff = Array.from({ length: 40 }, (_, index) => {
    const name = `package-${index}`;
    return [name, 2, { PreviousPackage: [name, '1-1', 'noarch'], NewPackage: [name, '1-2', 'noarch'] }] as const;
  });
  const failures = [{ step: 'image-iso', code: 'image', message: 'It failed.\n12 lines\nmore', hint: 'Look.' }];
  const meta = { ...META, pkgdiff, failures, published: ['buildlogs'] };
  const event = asEvent(aboutBuild(meta, 'https://example.org', { state: 'incomplete', seconds: 7 }), {
    type: 'incomplete',
  });
  expect(event).toMatchObject({
    state: 'incomplete',
    seconds: 7,
    url: 'https://example.org/builds/20261121_02/x86_64/',
    failures: [{ step: 'image-iso', code: 'image', message: 'It failed.', hint: 'Look.' }],
    changes: { summary: '40 upgraded', more: 10 },
  });
  expect(event.changes?.packages[0]).toEqual({ name: 'package-0', from: '1-1', to: '1-2' });
  expect(event.changes?.packages).toHaveLength(30);
  expect(event.id).toMatch(/^[\w-]+$/);
  expect(aboutBuild(META, 'https://example.org').url).toBeUndefined();
});

test('a key that grows old is told of at 60, 30, 14, 7, 3, 1 and 0 days, each once', () => {
  const expires = new Date('2026-12-31T00:00:00Z');
  const key: KeyInfo = { fingerprint: 'F1', algorithm: 'RSA 4096', userId: 'x', made: new Date(0), expires };
  let told: Record<string, number> = {};
  const days: number[] = [];
  for (let left = 70; left >= -3; left -= 1) {
    for (const hours of [20, 4]) {
      const now = new Date(expires.getTime() - left * 86_400_000 - hours * 3_600_000);
      const result = expiringKeys([key, { ...key, fingerprint: 'F2', expires: new Date('2040-01-01') }], told, now);
      told = result.told;
      days.push(...result.happened.map((one) => ('days' in one ? one.days : Number.NaN)));
    }
  }
  expect(days).toEqual([60, 30, 14, 7, 3, 1, 0]);
});
