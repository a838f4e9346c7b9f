import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** Set-up on a machine that has everything, with apt's programs as stand-ins that note how they are called. */
async function machine(
  apt: { readonly update?: string; readonly upgrades?: readonly string[]; readonly later?: string } = {},
) {
  const dir = temporaryFolder();
  const [bin, lists, calls, cache] = [join(dir, 'bin'), join(dir, 'lists'), join(dir, 'calls'), join(dir, 'cache')];
  await mkdir(bin);
  await mkdir(lists);
  await writeFile(join(lists, 'deb.example.org_Packages'), '');
  await writeFile(calls, '');
  await writeFile(join(dir, 'version'), '3-1');
  const upgrades = (apt.upgrades ?? []).map((name) => `echo 'Inst ${name} [1] (2 Debian:12/stable [amd64])'`);
  const programs = {
    'apt-config': `echo "lists='${lists}/'"`,
    'apt-cache': `case "$*" in *cosign*) printf 'Package: cosign\\nVersion: %s\\n\\n' "$(cat '${dir}/version')" ;; esac`,
    'apt-get': [
      `echo "apt-get $*" >> '${calls}'`,
      'case $* in',
      // As it is asked for the later release, of which it downloads a package with one program.
      `  "update -qq") ${apt.later ?? 'exit 0'} ;;`,
      `  update*) ${apt.update ?? 'exit 0'} ;;`,
      "  download*) mkdir -p cosign/DEBIAN cosign/usr/bin && echo 'echo cosign' > cosign/usr/bin/cosign",
      "    printf 'Package: cosign\\nVersion: 3\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n' > cosign/DEBIAN/control",
      '    dpkg-deb --build cosign cosign.deb > out && rm -r cosign ;;',
      `  "install -s"*) ${['exit_code=0', ...upgrades].join('; ')} ;;`,
      'esac',
    ].join('\n'),
  };
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, name), 0o755);
  }
  return {
    stamp: join(lists, 'atomic-nightly-updated'),
    tried: join(lists, 'atomic-nightly-tried'),
    oracles: join(cache, 'oracles'),
    /** Gives the later release a newer package. */
    bump: () => writeFile(join(dir, 'version'), '3-2'),
    /** @returns what it said, and how apt was called */
    async setUp(...args: string[]) {
      await writeFile(calls, '');
      const env = { PATH: `${bin}:${process.env['PATH']}`, ATOMIC_NIGHTLY_TEST_CACHE: cache };
      const { stdout } = await run('sh', [resolve('scripts/bootstrap.sh'), '--no-build', ...args], { env });
      const called = (await readFile(calls, 'utf8')).split('\n').filter((line) => line !== '');
      return { said: stdout, called: called.map((line) => line.split(' ').slice(1, 3).join(' ')), lines: called };
    },
  };
}

const longAgo = (file: string, hours: number): Promise<void> => {
  const seconds = Date.now() / 1000 - hours * 3600;
  return utimes(file, seconds, seconds);
};

it('brings package lists up to date once a day, and says so', async () => {
  const { setUp, stamp, tried } = await machine();
  const first = await setUp();
  expect(first.called).toEqual(['update -q', 'install -s']);
  expect(first.said).toContain("fetching Debian's package lists");
  expect(await setUp()).toMatchObject({ called: [], said: '' });
  await longAgo(stamp, 25);
  await longAgo(tried, 25);
  expect((await setUp()).called).toEqual(['update -q', 'install -s']);
  await longAgo(stamp, 25);
  await longAgo(tried, 25);
  expect((await setUp('--no-refresh')).called).toEqual([]);
});

it('upgrades those of its programs for which an update is there, and nothing that would take something away', async () => {
  const { setUp } = await machine({ upgrades: ['rsync', 'libostree-1-1'] });
  const { lines, said } = await setUp();
  expect(said).toContain('upgrading Debian packages: libostree-1-1 rsync');
  expect(lines[1]).toMatch(/^apt-get install -s -q --only-upgrade --no-remove .*\brsync\b/);
  expect(lines[2]).toMatch(/^apt-get install .*--only-upgrade --no-remove libostree-1-1 rsync$/);
  expect(lines).toHaveLength(3);
});

it('goes on without a network, and does not try again each time', async () => {
  const { setUp, stamp, tried } = await machine({ update: 'echo "E: Could not resolve deb.debian.org" >&2; exit 100' });
  const { said, called } = await setUp();
  expect(called).toEqual(['update -q']);
  expect(said).toContain('that failed; going on with the lists that are here');
  expect(existsSync(stamp)).toBe(false);
  expect((await setUp()).called).toEqual([]);
  await longAgo(tried, 2);
  expect((await setUp()).called).toEqual(['update -q']);
});

it('unpacks programs of a later release aside, for tests only, and looks for newer ones once a week', async () => {
  const { setUp, oracles, bump } = await machine();
  await setUp();
  expect(existsSync(oracles)).toBe(false);
  const first = await setUp('--tests');
  expect(first.said).toContain('unpacking aside: cosign 3-1\n');
  expect(existsSync(join(oracles, 'tree/usr/bin/cosign'))).toBe(true);
  expect(first.lines.filter((line) => / install (?!-s)/.test(line))).toEqual([]);
  await bump();
  expect(await setUp('--tests')).toMatchObject({ said: '', called: [] });
  await longAgo(join(oracles, 'looked'), 24 * 8);
  expect((await setUp('--tests')).said).toContain('unpacking aside: cosign 3-2\n');
  await longAgo(join(oracles, 'looked'), 24 * 8);
  expect((await setUp('--tests')).called).toEqual(['update -qq']);
});

it('goes on without them where that release cannot be had, and tries again the next day', async () => {
  const { setUp, oracles } = await machine({ later: 'exit 100' });
  expect((await setUp('--tests')).said).toContain('that failed; the tests go without them');
  expect(existsSync(join(oracles, 'tree'))).toBe(false);
  expect(await setUp('--tests')).toMatchObject({ said: '', called: [] });
  await longAgo(join(oracles, 'looked'), 25);
  expect((await setUp('--tests')).called).toEqual(['update -qq']);
});
