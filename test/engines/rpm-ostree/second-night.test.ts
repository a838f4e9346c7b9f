import { existsSync, readdirSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { parseCommit, readCommit } from '../../../src/ostree/objects.ts';
import { writeRewritten } from '../../../src/ostree/rewrite-commit.ts';
import { run } from '../../../src/programs/exec.ts';
import { refuseStale } from '../../../src/steps/compose/repositories.ts';
import { RECORDED } from '../../support/recorded-commits.ts';
import { bench, night, TIMESTAMP } from './support.ts';

const PACKAGES = { app: '3.0-1.x86_64', lib: '1:2.0-4.noarch' };

test.each(['2018.7', '2020.8', '2026.2'])(
  '%s: scripts of packages get a pipe, and nothing of a service of systemd',
  async (version) => {
    vi.stubEnv('INVOCATION_ID', '0123');
    vi.stubEnv('JOURNAL_STREAM', '8:1');
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    const here = await bench({ version, packages: PACKAGES });
    await night(here, await here.engine(), '20261121_01');
  },
);

test('the stand-in tells a socket as the real one does', async () => {
  const here = await bench({ version: '2020.8', packages: PACKAGES });
  // Node's own pipes are sockets.
  const script = `require('child_process').spawn('rpm-ostree', ${JSON.stringify([
    ...['compose', 'tree', `--repo=${here.repo}`, '--unified-core', '--cachedir=/tmp', '--write-commitid-to=/dev/null'],
    here.treefile.path,
  ])}).stderr.pipe(process.stdout)`;
  const { stdout } = await run(process.execPath, ['-e', script]);
  expect(stdout).toContain('While creating stdout stream fd: No such file or directory');
});

test("a commit says the refs it is made for, with rpm-ostree's own metadata beside", async () => {
  const here = await bench({ version: '2020.8', packages: PACKAGES });
  const { composed } = await night(here, await here.engine(), '20261121_01');
  const info = await readCommit(here.repo, composed.commit);
  expect(info).toMatchObject({
    version: '20261121_01',
    timestamp: TIMESTAMP,
    refBindings: ['lab/x86_64/host'],
    repoTimestamps: { lab: Date.UTC(2026, 10, 21, 2, 40, 54) / 1000 },
    packages: [{ name: 'app' }, { name: 'lib', epoch: '1' }],
  });
  await run('ostree', ['fsck', '--quiet', `--repo=${here.repo}`]);
  const raw = (await run('ostree', ['show', `--repo=${here.repo}`, '--raw', composed.commit])).stdout;
  expect(raw).toContain("'timestamp': <uint64 1795228854>");
});

test('a night on top of a commit that rpm-ostree itself published: parent, packages and times of it hold', async () => {
  const here = await bench({ version: '2020.8', packages: PACKAGES });
  const engine = await here.engine();
  const { composed } = await night(here, engine, '20261121_01');
  // What a real rpm-ostree wrote into its commit, over a small tree.
  const { metadata } = parseCommit(RECORDED.second.checksum, RECORDED.second.bytes);
  const theirs = await writeRewritten(here.repo, composed.commit, {
    ...{ parent: undefined, timestamp: TIMESTAMP - 60 },
    metadata: { ...Object.fromEntries(metadata), 'ostree.ref-binding': undefined },
  });
  const parent = await readCommit(here.repo, theirs);
  expect(parent).not.toHaveProperty('refBindings');
  expect(parent.packages).toHaveLength(199);
  const state = { id: 'lab-base', url: 'http://x/', sha256: '', revision: '' };
  const known = parent.repoTimestamps?.['lab-base'] ?? 0;
  expect(() => refuseStale({ ...state, generated: known }, parent, here.task)).not.toThrow();
  expect(() => refuseStale({ ...state, generated: known - 1 }, parent, here.task)).toThrow('the mirror lags behind');

  const next = await night(here, engine, '20261128_06', theirs);
  expect(await readCommit(here.repo, next.composed.commit)).toMatchObject({
    parent: theirs,
    refBindings: ['lab/x86_64/host'],
  });
  const again = await engine.resolve(
    { treefile: here.treefile, cacheDir: here.cacheDir, repo: here.repo, parent: next.composed.commit },
    here.task,
  );
  expect(again.inputHash).toBe(next.resolution.inputHash);
});

test.each([
  [
    'SIGABRT',
    "thread 'main' panicked at 'treefile: oh no', src/x.rs:1\nnote: run with RUST_BACKTRACE=1\n",
    "thread 'main' panicked at 'treefile: oh no'",
  ],
  [
    'SIGABRT',
    '**\nERROR:src/lib.c:12:f: assertion failed: (x)\nBail out! ERROR:src/lib.c:12:f: assertion failed: (x)\n',
    'Bail out! ERROR:src/lib.c:12:f: assertion failed: (x)',
  ],
  ['SIGSEGV', '', 'rpm-ostree version: 2020.8'],
] as const)('a death by %s tells what was said about it first, not the command line', async (signal, says, first) => {
  const here = await bench({ version: '2020.8', packages: PACKAGES, dies: { signal, says } });
  const message = await night(here, await here.engine(), '1').catch((error: Error) => error.message);
  expect(message).toMatch(/^rpm-ostree was ended by SIG/);
  expect(String(message).split('\n')[0]).toContain(`ended by ${signal}: ${first}`);
  expect(message).not.toContain('--cachedir');
});

test('I4: a compose that somebody kills leaves no folder and no mount, not even until the next try', async () => {
  const here = await bench({ version: '2020.8', packages: PACKAGES, dies: { signal: 'SIGKILL' } });
  const engine = await here.engine();
  await expect(night(here, engine, '1')).rejects.toMatchObject({
    message: expect.stringContaining('rpm-ostree was ended by SIGKILL'),
    hint: expect.stringContaining('ran out of memory'),
  });
  expect(readdirSync(here.varTmp)).toEqual([]);
  expect(readdirSync(`${here.cacheDir}/cache`).filter((name) => name.startsWith('rpm-ostree-compose'))).toEqual([]);
  expect(existsSync(`${here.cacheDir}/cache/running.json`)).toBe(false);
  here.setState({ version: '2020.8', packages: PACKAGES });
  const { composed } = await night(here, engine, '1');
  const undisturbed = await bench({ version: '2020.8', packages: PACKAGES });
  const other = await night(undisturbed, await undisturbed.engine(), '1');
  expect(composed.contentChecksum).toBe(other.composed.contentChecksum);
});
