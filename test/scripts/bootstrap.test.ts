import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** Set-up on a machine that has everything, with apt's programs as stand-ins that note how they are called. */
async function machine(apt: { readonly update?: string; readonly upgrades?: readonly string[] } = {}) {
  const dir = temporaryFolder();
  const [bin, lists, calls] = [join(dir, 'bin'), join(dir, 'lists'), join(dir, 'calls')];
  await mkdir(bin);
  await mkdir(lists);
  await writeFile(join(lists, 'deb.example.org_Packages'), '');
  await writeFile(calls, '');
  const upgrades = (apt.upgrades ?? []).map((name) => `echo 'Inst ${name} [1] (2 Debian:12/stable [amd64])'`);
  const programs = {
    'apt-config': `echo "lists='${lists}/'"`,
    'apt-get': [
      `echo "apt-get $*" >> '${calls}'`,
      'case $* in',
      `  update*) ${apt.update ?? 'exit 0'} ;;`,
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
    /** @returns what it said, and how apt was called */
    async setUp(...args: string[]) {
      await writeFile(calls, '');
      const env = { PATH: `${bin}:${process.env['PATH']}` };
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
