import { existsSync } from 'node:fs';
import { appendFile, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../../src/programs/exec.ts';
import { breakSignature } from '../../support/break-signature.ts';
import { everyCase } from '../../support/every-case.ts';
import { strangersKey } from '../../support/mini-rpm.ts';
import { json, makeReleaseWorld, night, recordOf } from '../../support/release-world.ts';
import { records, type World } from '../../support/world.ts';

async function worldFor(options: Parameters<typeof makeReleaseWorld>[1] = {}): Promise<World> {
  const world = await makeReleaseWorld(await mkdtemp(join(tmpdir(), 'atomic-nightly-test-')), options);
  onTestFinished(async () => {
    await world.stop();
    await rm(world.dir, { recursive: true, force: true });
  });
  return world;
}

/** A promotion that must be refused with such a message, and leave nothing on staging that was not there. @returns all it said */
async function refused(world: World, args: readonly string[], message: RegExp, code = 1): Promise<string> {
  const ref = join(world.published, 'staging/repo/refs/heads/mini/x86_64/release');
  const before = existsSync(ref) ? await readFile(ref, 'utf8') : undefined;
  const result = await world.nightly('promote', ...args);
  expect(result.stderr).toMatch(message);
  expect(result.stderr).toMatch(/what to do: \S/);
  expect(result.code).toBe(code);
  expect(result.stderr).not.toContain('✓ compose');
  expect(existsSync(ref) ? await readFile(ref, 'utf8') : undefined).toBe(before);
  return result.stderr;
}

test('I2: unsigned, wrongly signed and strange packages are listed by name, and nothing is built', async () => {
  const world = await worldFor();
  const { distro } = world;
  // The nights do not check, so only the promotion can notice.
  await distro.writeRepoFile({ gpgcheck: false });
  await distro.bumpUnsigned('app');
  await distro.publishStrangers({ ...distro.recipe('suid'), release: '2' });
  await distro.bump('svc');
  await breakSignature(join(distro.repoDir, 'svc-1.0-2.noarch.rpm'));
  await run('createrepo_c', ['--quiet', '--no-database', '--simple-md-filenames', distro.repoDir]);
  const id = await night(world);
  const lists =
    /Not signed:\n {2}app-1:2\.0-2\.noarch\nSigned with a key that is not in the keyring:\n {2}suid-1\.0-2\.noarch: key ID [0-9a-f]+\nSigned, but the signature is not good:\n {2}svc-1\.0-2\.noarch: .*BAD/;
  await refused(world, [id, '--dry-run'], lists);
  await refused(world, [id], lists);
  await refused(world, [id, '--recommit'], lists);
  expect((await records(world)).at(-1)?.['atomic-nightly.state']).toBe('failed');
  const staging = join(world.published, 'staging');
  expect(existsSync(join(staging, 'repo'))).toBe(false);

  // With the stranger's key alone in the keyring it is all the others that are strange.
  await appendFile(world.config, `    rpm-keys: [${(await strangersKey()).publicKey}]\n`);
  const strange = /not in the keyring:\n {2}busybox-[\s\S]* {2}setup-1-1\.noarch: key ID/;
  expect(await refused(world, [id], strange)).not.toContain('suid');
});

test.runIf(everyCase)('packages that are gone are listed, but for those the compose cache still has', async () => {
  const world = await worldFor();
  const { distro } = world;
  await symlink(distro.repoDir, join(world.published, 'rpms'));
  await distro.writeRepoFile({ baseurl: `${world.url}/rpms` });
  const id = await night(world);
  await distro.bump('lib');
  await distro.remove('lib', '1.0-1');
  await distro.remove('suid');
  const promoted = await json<{ build: string }>(world, 'promote', id);
  expect((await recordOf(world, promoted.build)).ostreeContentChecksum).toBe(
    (await recordOf(world, id)).ostreeContentChecksum,
  );
  // A damaged file in the cache is as good as none.
  await rm(join(world.dir, 'work/cache/nightly/packages'), { recursive: true });
  const found = await run('find', [join(world.dir, 'work/cache'), '-name', 'lib-1.0-1.noarch.rpm']);
  await appendFile(found.stdout.trim(), 'x');
  await rm((await run('find', [join(world.dir, 'work/cache'), '-name', 'suid-*.rpm'])).stdout.trim());
  await refused(
    world,
    [id],
    /Gone from the repositories since, .*:\n {2}lib-1\.0-1\.noarch\n {2}suid-1\.0-1\.noarch\n/,
  );
  // Put back with other content it is not the package of that night.
  await distro.publish({ ...distro.recipe('lib'), release: '1' });
  await refused(world, [id], /lib-1\.0-1\.noarch \(is there, but with another checksum\)/);
});

test.runIf(everyCase)(
  'a night of a file:// repository can be promoted when the repository has newer packages alone',
  async () => {
    const world = await worldFor();
    const { distro } = world;
    const id = await night(world);
    await distro.bump('lib');
    await distro.remove('lib', '1.0-1');
    const promoted = await json<{ build: string }>(world, 'promote', id);
    expect((await recordOf(world, promoted.build)).ostreeContentChecksum).toBe(
      (await recordOf(world, id)).ostreeContentChecksum,
    );
    // A package that a night refused for its checksum is not kept as the right one.
    const file = join(distro.repoDir, 'lib-1.0-2.noarch.rpm');
    const good = await readFile(file);
    await appendFile(file, 'x');
    expect((await world.nightly('nightly')).stderr).toContain('RPM files differ from what the lockfile names');
    await writeFile(file, good);
    const next = await night(world);
    await distro.remove('lib', '1.0-2');
    expect((await world.nightly('promote', next, '--dry-run')).stderr).not.toContain('Gone');
  },
);

test.runIf(everyCase)('overrides and exclusions that cannot be are explained', async () => {
  const world = await worldFor();
  const { distro } = world;
  await distro.publish({ ...distro.recipe('suid'), name: 'extra' });
  await distro.bump('app', { requires: ['lib', 'busybox', 'extra'] });
  const id = await night(world);
  await distro.publish({ ...distro.recipe('suid'), name: 'newlib', provides: ['cap(new)'] });
  await distro.bump('lib', { provides: ['abi = 2'] });
  await distro.bump('app', { requires: ['lib', 'busybox', 'cap(new)'] });

  await refused(world, [id, '--override', 'app'], /--override app: that is not of the form/, 2);
  await refused(
    world,
    [id, '--override', 'app-1:2.0-9.noarch'],
    /no repository of the treefile has it[\s\S]*They have .*app-1:2\.0-3\.noarch/,
  );
  await refused(
    world,
    [id, '--override', 'app-1:2.0-1.noarch'],
    /nightly build \d+_01 has 1:2\.0-2\.noarch, which is newer/,
  );
  await refused(
    world,
    [id, '--override', 'app-1:2.0-3.noarch'],
    /do not fit together with --override app-1:2\.0-3\.noarch:\n {2}app-1:2\.0-3\.noarch needs cap\(new\)\nThese must move along:\n {2}newlib-1\.0-1\.noarch\n.*Add --override newlib-1\.0-1\.noarch/,
  );
  // A chain is named as a whole, and what the hint says is enough.
  const chain = ['c1', 'c2', 'c3'].map((name, index) => ({
    ...{ ...distro.recipe('suid'), name, provides: [`cap(${name})`] },
    requires: index < 2 ? [`cap(c${index + 2})`] : [],
  }));
  await distro.publish(...chain);
  await distro.bump('app', { requires: ['lib', 'busybox', 'cap(c1)'] });
  const chained = await world.nightly('promote', id, '--override', 'app-1:2.0-4.noarch', '--dry-run');
  expect(chained.stderr).toMatch(
    /These must move along:\n {2}c1-1\.0-1\.noarch\n {2}c2-1\.0-1\.noarch\n {2}c3-1\.0-1\.noarch\n/,
  );
  const hint = /what to do: Add (.*)/.exec(chained.stderr)?.[1]?.split(' ') ?? [];
  expect(hint.filter((word) => word === '--override')).toHaveLength(3);
  await json(world, 'promote', id, '--override', 'app-1:2.0-4.noarch', ...hint, '--dry-run');

  await refused(world, [id, '--exclude', 'nothing'], /nightly build \d+_01 has no package of that name/, 2);
  await refused(
    world,
    [id, '--exclude', 'suid'],
    /mini\.yaml:\d+:\d+: --exclude suid: the treefile of nightly build .* asks for it by name/,
    2,
  );
  await refused(world, [id, '--exclude', 'extra'], /extra is needed by app-1:2\.0-2\.noarch, which asks for extra/);
  await refused(world, [id, '--recommit', '--exclude', 'extra'], /--recommit keeps the tree as it is/, 2);

  const args = ['--override', 'app-1:2.0-3.noarch', 'newlib-1.0-1.noarch', '--exclude', 'extra'];
  const { build } = await json<{ build: string }>(world, 'promote', id, ...args);
  const { pkgdiff } = await json<{ pkgdiff: [string, number][] }>(world, 'diff', id, build);
  expect(pkgdiff.map(([name, kind]) => [name, kind])).toEqual([
    ['app', 2],
    ['extra', 1],
    ['newlib', 0],
  ]);
});

test.runIf(everyCase)(
  'I10: a tree that differs without need is refused by its paths, and can be accepted',
  async () => {
    const world = await worldFor();
    await world.distro.writeTreefile({
      postprocess: [
        '#!/bin/sh\ncat /proc/sys/kernel/random/uuid > /usr/share/app/data\ncp /usr/share/app/data /usr/share/seed\n',
      ],
      'mutate-os-release': '1',
    });
    const id = await night(world);
    const result = await world.nightly('promote', id);
    expect(result.stderr).toMatch(
      /differs from that of nightly build \d+_01 in 2 paths that should be the same:\n {2}changed \/usr\/share\/seed\n {2}changed \/usr\/share\/app\/data \(app\)\n/,
    );
    expect(result.stderr).toMatch(/what to do: .*--accept-differences.*--recommit/);
    expect(result.code).toBe(1);
    expect(existsSync(join(world.published, 'staging/repo'))).toBe(false);
    const { build } = await json<{ build: string }>(world, 'promote', id, '--accept-differences');
    const meta = await recordOf(world, build);
    expect(meta.promotion).toMatchObject({
      attempt: 2,
      differencesAccepted: { count: 2, paths: ['/usr/share/seed', '/usr/share/app/data'] },
    });
    const release = join(world.published, 'staging/repo');
    const os = await run('ostree', [`--repo=${release}`, 'cat', String(meta.ostreeCommit), '/usr/lib/os-release']);
    expect(os.stdout).toContain(`VERSION="${build} (Test)"`);
  },
);

test.runIf(everyCase)(
  'targets of the nightly builds are checked by the dry run of a promotion as by the promotion itself',
  async () => {
    const world = await worldFor();
    const id = await night(world);
    const config = await readFile(world.config, 'utf8');
    const file = join(world.dir, 'no-folder');
    await writeFile(file, '');
    await writeFile(world.config, config.replace(`path: ${world.published},`, `path: ${file},`));
    for (const more of [['--dry-run'], []])
      await refused(world, [id, ...more], /Target "buildlogs", directory \S+no-folder: /);
    await writeFile(world.config, config);
    expect(await world.nightly('promote', id, '--dry-run')).toMatchObject({ code: 0 });
  },
);

test.runIf(everyCase)(
  'nothing is promoted that is no night of the stream, and no night is built in a release stream',
  async () => {
    const world = await worldFor({ signed: false });
    const onRelease = await world.nightly('nightly', 'release');
    expect(onRelease).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/fed by promotion only[\s\S]*nightly nightly/),
    });
    const id = await night(world);
    await refused(world, [id], /has no keys to check the packages with: neither rpm-keys nor a gpgkey=/, 2);
    const failed = String((await records(world)).at(-1)?.['buildid']);
    await refused(world, [failed], /is a promotion of nightly build \d+_01 itself/, 2);
    await refused(world, [id, '--stream', 'nightly'], /Stream "nightly" is a nightly stream/, 2);
    await refused(world, ['20200101_01'], /There is no record of nightly build 20200101_01 in .*work\/builds/);
    expect(await world.nightly('nightly')).toMatchObject({ code: 10 });
    await refused(
      world,
      [String((await records(world)).at(-1)?.['buildid'])],
      /is unchanged: only a published nightly build/,
      2,
    );
    const approve = await world.nightly('approve', failed, '--by', 'Jane');
    expect(approve).toMatchObject({ code: 2, stderr: expect.stringContaining('is failed, not complete') });

    const record = join(world.dir, 'work/builds', id, 'x86_64/meta.json');
    const meta = await readFile(record, 'utf8');
    await writeFile(record, meta.replace(/("atomic-nightly\.state"): "complete"/, '$1: "incomplete"'));
    await refused(world, [id], /Nightly build \d+_01 is incomplete[\s\S]*resume \d+_01/, 2);
    await writeFile(record, meta);

    // The treefile of the night counts, not today's; but what it was must still be there.
    const copy = join(world.dir, 'work/builds', id, 'x86_64/treefile/mini.yaml');
    await writeFile(copy, (await readFile(copy, 'utf8')).replace('"suid",', ''));
    await refused(world, [id], /treefile of nightly build \d+_01 is lost/, 2);

    // A night is on the targets still, but lost here.
    await rm(join(world.dir, 'work/builds', id, 'x86_64/lockfile.json'));
    await refused(world, [id], /Nightly build \d+_01 has no lockfile .*[\s\S]*Bring .* back from a backup/);
    await rm(join(world.dir, 'work/builds', id), { recursive: true });
    await refused(
      world,
      [id],
      /no record of nightly build \d+_01 [\s\S]*Bring builds\/\d+_01 back from a backup .*"atomic-nightly list"/,
    );
  },
);

test('I5: a promotion behind the last release is refused, package by package', async () => {
  const world = await worldFor();
  const first = await night(world);
  await world.distro.bump('app');
  const { build } = await json<{ build: string }>(world, 'promote', await night(world));
  // Before it is released, going back is part of reworking.
  const again = await json<{ build: string }>(world, 'promote', first);
  expect((await recordOf(world, again.build)).pkgdiff).toMatchObject([['app', 3, {}]]);
  const path = join(world.dir, 'work/builds', build, 'x86_64/meta.json');
  const meta = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...meta, 'atomic-nightly.release': { at: '2026-11-21T00:00:00Z' } }));
  const message = /older packages than the last release, \d+_\d+:\n {2}app: 1:2\.0-2\.noarch → 1:2\.0-1\.noarch/;
  await refused(world, [first], message);
  await refused(world, [first, '--recommit'], message);
  // While the record of that release is damaged nothing is promoted: an older one, or none, would be taken for the last.
  await writeFile(path, '');
  await refused(world, [first], /meta\.json is damaged: it is empty\.[\s\S]*Bring it back from a backup/);
});
