import { describe, expect, it } from 'vitest';
import { parseRebuild, rebuildStatement } from '../../src/attest/compose-rebuild.ts';
import { rebuiltText, standingRebuilds } from '../../src/build/rebuilds.ts';
import { IDENTICAL } from '../support/rebuild-samples.ts';

describe('the statement of a rebuild', () => {
  it('reads as it was written', () => {
    expect(parseRebuild(rebuildStatement(IDENTICAL), 'file')).toEqual(IDENTICAL);
  });

  it.each([
    { verdict: 'differs' as const },
    { rebuilt: 'c'.repeat(64) },
    { differences: { count: 1, paths: [{ path: '/usr', kind: 'changed' as const }] } },
  ])('is refused when it contradicts itself: %j', (change) => {
    const payload = rebuildStatement({ ...IDENTICAL, ...change });
    expect(() => parseRebuild(payload, 'file')).toThrow(/file is damaged: its verdict is .* and its checksums say/);
  });

  const image = (rebuilt: string) => [{ type: 'generic-cloud', published: 'c'.repeat(64), rebuilt }];

  it('has images that were made again, and differs where one of them does', () => {
    const same = { ...IDENTICAL, images: image('c'.repeat(64)) };
    expect(parseRebuild(rebuildStatement(same), 'file')).toEqual(same);
    const other = { ...IDENTICAL, verdict: 'differs' as const, images: image('d'.repeat(64)) };
    expect(parseRebuild(rebuildStatement(other), 'file')).toEqual(other);
    for (const wrong of [
      { ...same, verdict: 'differs' as const },
      { ...other, verdict: 'identical' as const },
    ])
      expect(() => parseRebuild(rebuildStatement(wrong), 'file')).toThrow(/its checksums say otherwise/);
  });

  it('is refused with a name of a package that is none, and with what nobody knows', () => {
    const payload = rebuildStatement({
      ...IDENTICAL,
      ...{ verdict: 'differs', rebuilt: 'c'.repeat(64) },
      differences: { count: 1, paths: [{ path: '/usr', kind: 'changed', package: '../x' }] },
    });
    expect(() => parseRebuild(payload, 'file')).toThrow(/must be the name of a package/);
    const more = JSON.parse(String(rebuildStatement(IDENTICAL)));
    more.predicate.more = 1;
    expect(() => parseRebuild(Buffer.from(JSON.stringify(more)), 'file')).toThrow(/file is damaged/);
  });
});

describe('what rebuilders say now', () => {
  const said = (by: string, verdict: 'identical' | 'differs', at: string) => ({
    ...{ by, verdict, at, statement: `rebuilds/${by}`, differences: 0 },
  });
  const [bad, good] = [
    said('alice', 'differs', '2026-11-21T04:00:00Z'),
    said('alice', 'identical', '2026-11-21T05:00:00Z'),
  ];

  it('is the last that each said, whatever came last', () => {
    expect(standingRebuilds([bad, good])).toEqual([good]);
    expect(standingRebuilds([good, bad])).toEqual([good]);
  });

  it('says which images were made again, and which came out otherwise', () => {
    const made = (type: string, verdict: 'identical' | 'differs') => ({ type, verdict });
    const all = { ...good, images: [made('iso', 'identical'), made('generic-cloud', 'identical')] };
    const one = {
      ...said('bob', 'differs', good.at),
      images: [made('iso', 'identical'), made('generic-cloud', 'differs')],
    };
    expect(rebuiltText({ rebuilds: [all, one] })).toBe(
      'by 1 other, DIFFERENT: bob (image generic-cloud); by 1 other, identical: alice (2 images)',
    );
  });

  it('has everybody in it', () => {
    expect(rebuiltText({})).toBeUndefined();
    expect(rebuiltText({ rebuilds: [good, said('bob', 'differs', good.at)] })).toBe(
      'by 1 other, DIFFERENT: bob; by 1 other, identical: alice',
    );
  });
});
