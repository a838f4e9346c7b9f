import { describe, expect, it } from 'vitest';
import { rpmRelations } from '../../src/lab/depends.ts';

const map = (fields: Record<string, string>, absent: readonly string[] = []) =>
  rpmRelations(new Map(Object.entries({ Package: 'self', ...fields })), new Set(absent));

describe('rpmRelations', () => {
  it('maps Depends and Pre-Depends, alternatives as a boolean dependency', () => {
    expect(map({ Depends: 'b (>= 1.2), x | y (<< 2-1)', 'Pre-Depends': 'a (= 1:3-4)' }).requires).toEqual([
      '(x or y < 2-1)',
      'a = 1:3-4',
      'b >= 1.2-0',
    ]);
  });

  it('drops a dependency that something absent would fulfil', () => {
    expect(map({ Depends: 'debconf (>= 0.5) | cdebconf, libc6' }, ['debconf']).requires).toEqual(['libc6']);
  });

  it('keeps Recommends weak', () => {
    expect(map({ Recommends: 'x' })).toMatchObject({ requires: [], recommends: ['x'] });
  });

  it('makes Conflicts of Conflicts and Breaks, but never with itself', () => {
    expect(map({ Conflicts: 'self (<< 1), c', Breaks: 'd (<< 2~)' }).conflicts).toEqual(['c', 'd < 2~^0-0']);
  });

  it('gives a virtual package a version that no versioned conflict hits', () => {
    expect(map({ Provides: 'resolvconf, awk (= 1.5)' }).provides).toEqual(['awk = 1.5-0', 'resolvconf = 9999:0-0']);
  });

  it('obsoletes only what it provides, conflicts with and replaces', () => {
    expect(map({ Provides: 'a, b', Conflicts: 'a, c', Replaces: 'a, b, c' }).obsoletes).toEqual(['a']);
  });
});
