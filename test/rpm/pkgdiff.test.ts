import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PackageId } from '../../src/rpm/lockfile.ts';
import {
  downgrades,
  formatDiff,
  lockedPackages,
  packageDiff,
  partNames,
  summarizeDiff,
} from '../../src/rpm/pkgdiff.ts';

const pkg = (name: string, version: string, release = '1', arch = 'x86_64', epoch = '0'): PackageId => ({
  name,
  epoch,
  version,
  release,
  arch,
});

const before = [pkg('app', '2.0'), pkg('gone', '1'), pkg('same', '1'), pkg('back', '3', '1', 'noarch', '1')];
const after = [pkg('app', '3.0'), pkg('same', '1'), pkg('new', '1'), pkg('back', '2', '1', 'noarch', '1')];

describe('packageDiff', () => {
  it("is rpm-ostree's composejson form", () => {
    expect(packageDiff(before, after)).toEqual([
      ['app', 2, { PreviousPackage: ['app', '2.0-1', 'x86_64'], NewPackage: ['app', '3.0-1', 'x86_64'] }],
      ['back', 3, { PreviousPackage: ['back', '1:3-1', 'noarch'], NewPackage: ['back', '1:2-1', 'noarch'] }],
      ['gone', 1, { PreviousPackage: ['gone', '1-1', 'x86_64'] }],
      ['new', 0, { NewPackage: ['new', '1-1', 'x86_64'] }],
    ]);
  });

  it('pairs several packages of one name', () => {
    const diff = packageDiff([pkg('kernel', '1'), pkg('kernel', '2')], [pkg('kernel', '2'), pkg('kernel', '3')]);
    expect(diff.map(([name, kind]) => [name, kind])).toEqual([['kernel', 2]]);
  });

  it('is empty for equal lists in any order, and turned around for swapped ones', () => {
    const one = fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      epoch: fc.constantFrom('0', '1'),
      version: fc.constantFrom('1', '1.10', '1.9~rc'),
      release: fc.constantFrom('1', '2'),
      arch: fc.constant('x86_64'),
    });
    const list = fc.uniqueArray(one, { selector: ({ name }) => name });
    const turned = { 0: 1, 1: 0, 2: 3, 3: 2 };
    fc.assert(
      fc.property(list, list, (left, right) => {
        expect(packageDiff(left, left.toReversed())).toEqual([]);
        const there = packageDiff(left, right).map(([name, kind]) => [name, turned[kind]]);
        expect(packageDiff(right, left).map(([name, kind]) => [name, kind])).toEqual(there);
      }),
    );
  });

  it('is told in lines', () => {
    const diff = packageDiff(before, after);
    expect(summarizeDiff(diff)).toBe('1 upgraded, 1 downgraded, 1 removed, 1 added');
    expect(formatDiff(diff).split('\n')).toEqual([
      'Upgraded:',
      '  app 2.0-1 -> 3.0-1',
      'Downgraded:',
      '  back 1:3-1 -> 1:2-1',
      'Removed:',
      '  gone-1-1.x86_64',
      'Added:',
      '  new-1-1.x86_64',
    ]);
    expect(summarizeDiff([])).toBe('no packages changed');
  });

  it('tells what is not a package by the name of components: nobody knows whether a key went up or down', () => {
    const part = (name: string, version: string) => ({ name, epoch: '0', version, release: '', arch: '' });
    const parts = packageDiff([part('a.bst', '9f86d081'), part('b.bst', '1.0')], [part('a.bst', '11111111')]);
    expect(formatDiff(parts)).toBe('Changed:\n  a.bst 9f86d081 -> 11111111\nRemoved:\n  b.bst 1.0');
    expect(summarizeDiff(parts)).toBe('1 changed, 1 removed');
    expect(partNames(parts)).toEqual({ one: 'component', many: 'components' });
    const packages = packageDiff(before, after);
    expect(partNames(packages).many).toBe('packages');
    expect(partNames([...parts, ...packages]).many).toBe('packages and components');
    expect(partNames([]).many).toBe('packages');
  });
});

describe('downgrades', () => {
  const lockfile = { packages: { app: { evra: '3.0-1.x86_64' }, back: { evra: '1:2-1.noarch' } } };

  it('names what would go back in time (I5)', () => {
    expect(downgrades(before, lockfile)).toEqual([{ name: 'back', from: '1:3-1.noarch', to: '1:2-1.noarch' }]);
    expect(downgrades([], lockfile)).toEqual([]);
  });

  it('sees a pre-release after the release', () => {
    const locked = { packages: { app: { evra: '2.0~rc1-1.x86_64' } } };
    expect(downgrades([pkg('app', '2.0')], locked)).toHaveLength(1);
  });

  it('lists a lockfile like a commit does', () => {
    expect(lockedPackages(lockfile).map(({ name, epoch }) => [name, epoch])).toEqual([
      ['app', '0'],
      ['back', '1'],
    ]);
  });
});
