import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readCommit } from '../../../src/ostree/objects.ts';
import { seedFrom } from '../../../src/ostree/seed-repo.ts';
import { run } from '../../../src/programs/exec.ts';
import { formatEvra } from '../../../src/rpm/evr.ts';
import { bench, night, TIMESTAMP } from './support.ts';

const PACKAGES = { app: '3.0-1.x86_64', lib: '1:2.0-4.noarch' };
const OLDER = { app: '2.0-1.x86_64' };
const ALL = ['2018.7', '2020.8', '2026.2'];

const show = async (repo: string, commit: string, ...args: string[]) =>
  (await run('ostree', ['show', `--repo=${repo}`, ...args, commit])).stdout;

test.each(ALL)(
  '%s: two nights in a row, each commit with its parent, version and time, and no ref moved',
  async (version) => {
    const here = await bench({ version, packages: { ...PACKAGES, ...OLDER } });
    const engine = await here.engine();
    expect(engine).toMatchObject({ name: 'rpm-ostree', version });
    const first = await night(here, engine, '20261121_01');
    here.setState({ version, packages: PACKAGES });
    const second = await night(here, engine, '20261121_02', first.composed.commit);

    expect(second.resolution.inputHash).not.toBe(first.resolution.inputHash);
    expect(second.resolution.lockfile.packages['app']?.evra).toBe('3.0-1.x86_64');
    expect(second.resolution.lockfile.packages['lib']?.evra).toBe('1:2.0-4.noarch');
    expect(second.resolution.lockfile.metadata?.rpmmd_repos).toEqual({ lab: { generated: '2026-11-21T02:40:54Z' } });
    expect(second.composed).toMatchObject({ kernel: '6.1.0', initramfs: 'built' });
    const text = await show(here.repo, second.composed.commit);
    expect(text).toContain(`Parent:  ${first.composed.commit}`);
    expect(text).toContain(`ContentChecksum:  ${second.composed.contentChecksum}`);
    expect(text).toContain('Date:  2026-11-21 00:00:00 +0000');
    expect(await show(here.repo, second.composed.commit, '--print-metadata-key=version')).toBe("'20261121_02'\n");
    expect(await show(here.repo, second.composed.commit, '--print-metadata-key=rpmostree.inputhash')).toBe(
      `'${second.resolution.inputHash}'\n`,
    );
    expect(await show(here.repo, second.composed.commit, '--print-metadata-key=atomic-nightly.stream')).toBe(
      "'nightly'\n",
    );
    expect((await run('ostree', ['refs', `--repo=${here.repo}`])).stdout).toBe('');
    await run('ostree', ['fsck', '--quiet', `--repo=${here.repo}`]);
    expect(readdirSync(join(here.cacheDir, 'cache')).filter((name) => name.startsWith('rpm-ostree-compose'))).toEqual(
      [],
    );
    expect(readdirSync(here.varTmp)).toEqual([]);

    for (const call of here.calls()) expect(call.tty).toBe(false);
    const composes = here.calls().filter(({ argv }) => argv.includes(`--add-metadata-string=version=20261121_02`));
    expect(composes).toHaveLength(1);
    expect(composes[0]?.epoch).toBe(String(TIMESTAMP));
    for (const word of composes[0]?.argv ?? []) expect(word).not.toMatch(/=\.{0,2}\/?[^/]*\/.*\.\.\//);
    expect(composes[0]?.argv).toContain('--unified-core');
  },
);

test.each(ALL)('%s: an equal night resolves to the parent’s input hash', async (version) => {
  const here = await bench({ version, packages: PACKAGES });
  const engine = await here.engine();
  const { composed, resolution } = await night(here, engine, '20261121_01');
  const { treefile, cacheDir, repo, task } = here;
  const again = await engine.resolve({ treefile, cacheDir, repo, parent: composed.commit }, task);
  expect(again).toEqual(resolution);
});

test('options of today are used, old ones are asked only for what they have', async () => {
  const here = await bench({ version: '2026.2', packages: PACKAGES });
  const { composed } = await night(here, await here.engine(), '20261121_01');
  await night(here, await here.engine(), '20261121_02', composed.commit);
  const [resolve, compose] = here
    .calls()
    .map(({ argv }) => argv)
    .slice(-2);
  expect(resolve).toEqual([
    'compose',
    'tree',
    `--repo=${here.repo}`,
    `--cachedir=${here.cacheDir}/cache`,
    '--unified-core',
    '--force-nocache',
    `--previous-commit=${composed.commit}`,
    '--dry-run',
    `--ex-write-lockfile-to=${here.cacheDir}/resolve/resolved.json`,
    here.treefile.path,
  ]);
  expect(compose).toEqual([
    'compose',
    'tree',
    `--repo=${here.repo}`,
    `--cachedir=${here.cacheDir}/cache`,
    '--unified-core',
    '--force-nocache',
    `--previous-commit=${composed.commit}`,
    `--parent=${composed.commit}`,
    `--ex-lockfile=${here.scratchDir}/rpm-ostree/locked.json`,
    '--ex-lockfile-strict',
    `--write-commitid-to=${here.scratchDir}/rpm-ostree/commitid`,
    `--write-composejson-to=${here.scratchDir}/rpm-ostree/compose.json`,
    '--add-metadata-string=version=20261121_02',
    '--add-metadata-string=atomic-nightly.stream=nightly',
    here.treefile.path,
  ]);
  expect(here.task.lines.filter((line) => line.startsWith('rpm-ostree 2026.2:'))).toEqual([]);
  // It reads the .repo files itself; a relative path of a certificate or key in them counts from their folder.
  expect(
    new Set(
      here
        .calls()
        .slice(-2)
        .map(({ cwd }) => cwd),
    ),
  ).toEqual(new Set([here.folder]));
});

test('2018.7 says what its missing options cost', async () => {
  const here = await bench({ version: '2018.7', packages: PACKAGES });
  await night(here, await here.engine(), '20261121_01');
  expect(here.task.lines.filter((line) => line.startsWith('rpm-ostree 2018.7:'))).toEqual([
    expect.stringContaining('writes no lockfile'),
    expect.stringContaining('cannot be held to a lockfile'),
    expect.stringContaining('private bare-user repo'),
  ]);
});

test('a lockfile with older packages is built again where rpm-ostree takes one, and refused where it does not', async () => {
  const locked = { packages: { app: { evra: '2.0-1.x86_64' }, lib: { evra: '1:2.0-4.noarch' } } };
  const fresh = await bench({ version: '2020.8', packages: PACKAGES, older: OLDER });
  const request = ({ treefile, cacheDir, repo }: typeof fresh) => ({ treefile, cacheDir, repo, lockfile: locked });
  const { lockfile } = await (await fresh.engine()).resolve(request(fresh), fresh.task);
  expect(lockfile.packages['app']?.evra).toBe('2.0-1.x86_64');

  const old = await bench({ version: '2018.7', packages: PACKAGES, older: OLDER });
  await expect((await old.engine()).resolve(request(old), old.task)).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining('app: locked 2.0-1.x86_64, found 3.0-1.x86_64'),
  });
});

test('I5: repositories that change between resolve and compose stop a release that takes no lockfile, early', async () => {
  const here = await bench({ version: '2018.7', packages: PACKAGES });
  const engine = await here.engine();
  const { treefile, cacheDir, repo, scratchDir, task } = here;
  const resolution = await engine.resolve({ treefile, cacheDir, repo }, task);
  here.setState({ version: '2018.7', packages: { ...PACKAGES, app: '4.0-1.x86_64' }, hang: true });
  const compose = engine.compose(
    {
      treefile,
      ...resolution,
      cacheDir,
      scratchDir,
      repo,
      ref: 'a',
      version: '1',
      timestamp: TIMESTAMP,
      repoTimestamps: {},
      metadata: {},
    },
    task,
  );
  await expect(compose).rejects.toMatchObject({
    code: 'compose',
    message: 'The transaction differs from the lockfile:\n  app: locked 3.0-1.x86_64, found 4.0-1.x86_64',
  });
});

test('I14: what the rpm database of the tree has is compared with the lockfile, whatever rpm-ostree says of it', async () => {
  const { app: _, ...fewer } = PACKAGES;
  for (const [installs, differs] of [
    [{ ...PACKAGES, app: '0.1-1.x86_64' }, /app-0\.1-1\.x86_64 is there and not locked/],
    [fewer, /app-\S+ is locked and not there/],
    [{ ...PACKAGES, stranger: '1-1.noarch' }, /stranger-1-1\.noarch is there and not locked/],
  ] as const) {
    const here = await bench({ version: '2026.2', packages: PACKAGES, installs });
    await expect(night(here, await here.engine(), '20261121_01')).rejects.toMatchObject({
      code: 'compose',
      message: expect.stringMatching(
        new RegExp(`^The rpm database of commit [0-9a-f]{64} differs from the lockfile:[^]*${differs.source}`),
      ),
    });
  }
});

test('I14: a commit without a package list gets that of its rpm database', async () => {
  const here = await bench({ version: '2018.7', packages: PACKAGES, noPackageList: true });
  const { composed } = await night(here, await here.engine(), '20261121_01');
  const { packages = [] } = await readCommit(here.repo, composed.commit);
  const names = packages.map((one) => `${one.name}-${formatEvra(one)}`);
  expect(names).toEqual(
    Object.entries(PACKAGES)
      .map(([name, evra]) => `${name}-${evra}`)
      .sort(),
  );
});

test('a release that does not take the time says so', async () => {
  const here = await bench({ version: '2020.8', packages: PACKAGES, ignoresTime: true, noInitramfs: true });
  const { composed } = await night(here, await here.engine(), '20261121_01');
  expect(composed.initramfs).toBe('none');
  expect(here.task.lines).toContainEqual(expect.stringContaining("does not take the build's time (SOURCE_DATE_EPOCH)"));
});

test('a command prefix runs it elsewhere, and the build time goes along', async () => {
  const here = await bench({ version: '2020.8', packages: PACKAGES });
  // As a container would: its own environment.
  const keep = ['PATH', 'RPM_OSTREE_STAND_IN'].map((name) => `${name}=${process.env[name]}`);
  await night(here, await here.engine(['env', '-i', ...keep, 'rpm-ostree']), '20261121_01');
  expect(here.calls().at(-1)?.epoch).toBe(String(TIMESTAMP));
});

test.each(['2018.7', '2026.2'])(
  '%s: the ids of a parent that was seeded without content are fetched',
  async (version) => {
    const here = await bench({ version, packages: PACKAGES });
    const { composed } = await night(here, await here.engine(), '20261121_01');
    await run('ostree', ['refs', `--repo=${here.repo}`, '--create=lab/x86_64/host', composed.commit]);
    const repo = join(here.folder, 'fresh');
    const other = { ...here, repo, cacheDir: join(here.folder, 'fresh-cache') };
    const url = `file://${here.repo}`;
    await seedFrom({ url, ref: 'lab/x86_64/host', repo, gpgKeys: [] }, here.task);
    const second = await night(other, await here.engine(), '20261121_02', composed.commit);
    expect(await show(repo, second.composed.commit)).toContain(`Parent:  ${composed.commit}`);
    expect((await run('ostree', ['cat', `--repo=${repo}`, composed.commit, '/usr/lib/passwd'])).stdout).toContain(
      'root:',
    );
  },
);

test('a parent whose ids cannot be had is refused, unless the treefile has its own list', async () => {
  const here = await bench({ version: '2026.2', packages: PACKAGES });
  const { composed } = await night(here, await here.engine(), '20261121_01');
  const partial = join(here.folder, 'partial');
  await run('ostree', ['init', `--repo=${partial}`, '--mode=archive']);
  await run('ostree', ['pull-local', '--commit-metadata-only', `--repo=${partial}`, here.repo, composed.commit]);
  const { treefile, cacheDir, task } = here;
  const engine = await here.engine();
  await expect(
    engine.resolve({ treefile, cacheDir, repo: partial, parent: composed.commit }, task),
  ).rejects.toMatchObject({ code: 'seed', hint: expect.stringContaining('check-passwd') });
  const own: typeof treefile = {
    ...treefile,
    values: {
      ...treefile.values,
      'check-passwd': { type: 'file', filename: '/etc/passwd' },
      'check-groups': { type: 'file', filename: '/etc/group' },
    },
  };
  await engine.resolve({ treefile: own, cacheDir, repo: partial, parent: composed.commit }, task);
});

test('keys a release does not have are refused before work', async () => {
  const here = await bench({ version: '2018.7', packages: PACKAGES });
  const engine = await here.engine();
  const origins = new Map([
    ['sysusers', { file: '/x/host.yaml', line: 3, column: 1 }],
    ['units', { file: '/x/host.yaml', line: 4, column: 1 }],
  ]);
  expect(() => engine.check({ ...here.treefile, path: '/x/host.yaml', origins })).toThrow(
    'rpm-ostree 2018.7 cannot build this treefile:\n/x/host.yaml:3:1: "sysusers" needs rpm-ostree 2025.9\n/x/host.yaml: treefiles in YAML need rpm-ostree 2018.8',
  );
  expect(() => engine.check(here.treefile)).not.toThrow();
  expect(existsSync(here.cacheDir)).toBe(false);
});

test('what is no rpm-ostree is not taken for one', async () => {
  const here = await bench({ version: '2020.8', packages: PACKAGES });
  await expect(here.engine(['true'])).rejects.toMatchObject({ code: 'tool-failed' });
  await expect(here.engine(['no-such-rpm-ostree'])).rejects.toMatchObject({ code: 'tool-missing' });
});
