import { expect, it } from 'vitest';
import { providersOf, unmetNeeds } from '../../src/rpm/depsolve-problems.ts';
import type { RepoPackage } from '../../src/rpm/primary.ts';

const pkg = (name: string, version: string, provides: readonly string[] = []): RepoPackage => {
  const id = { epoch: '0', version, release: '1', arch: 'noarch' };
  return { name, id, evra: `${version}-1.noarch`, url: '', bytes: 0, provides: [name, ...provides] };
};

it('finds what is lacking in the words of libsolv', () => {
  const message = `The packages cannot be installed together:
Problem 1: package dracut-59-1.noarch requires lib >= 1.0, but none of the providers can be installed
  - conflicting requests
  - nothing provides /usr/bin/nofile needed by capable-1.0-2.x86_64
 Problem 2: conflicting requests
  - nothing provides foo(bar) >= 1:2.3 needed by capable-1.0-2.x86_64
  - nothing provides foo(bar) >= 1:2.3 needed by capable-1.0-2.x86_64`;
  expect(unmetNeeds(message)).toEqual([
    { lacks: '/usr/bin/nofile', needer: 'capable-1.0-2.x86_64' },
    { lacks: 'foo(bar) >= 1:2.3', needer: 'capable-1.0-2.x86_64' },
    { lacks: 'lib >= 1.0', needer: 'dracut-59-1.noarch' },
  ]);
});

it.each([
  ['lib', ['3.0', '2.0', '1.0']],
  ['lib >= 2.0', ['3.0', '2.0']],
  ['lib = 2.0-1', ['2.0']],
  ['lib < 2.0-1', ['1.0']],
  ['lib > 3.0', []],
  ['lib = 1:2.0', []],
])('knows who meets "%s", newest first', (lacks, versions) => {
  const packages = ['1.0', '3.0', '2.0'].map((version) => pkg('lib', version));
  expect(providersOf(lacks, packages).map(({ id }) => id.version)).toEqual(versions);
});

it('knows packages by what they provide', () => {
  const packages = [pkg('perl', '5', ['/usr/bin/perl', 'perl(strict)']), pkg('sh', '1')];
  for (const lacks of ['/usr/bin/perl', 'perl(strict) >= 1.0']) {
    expect(providersOf(lacks, packages).map(({ name }) => name)).toEqual(['perl']);
  }
});
