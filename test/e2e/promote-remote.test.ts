import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { testKey } from '../support/mini-rpm.ts';
import { nameInTreefile, reconfigure } from '../support/package-world.ts';
import { json, makeReleaseWorld, night, recordOf } from '../support/release-world.ts';
import { makeSigningKey } from '../support/signing-key.ts';
import { standInGuest } from '../support/stand-in-guest.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { GRUB_CONFIG, runCli } from '../support/world.ts';

const NIGHTLY = 'mini-remote-nightly';
const RELEASE = 'mini-remote';
it('a promotion has the remote of the release in the place of the nightly one, and nothing else changes', async () => {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  const repository = join(dir, 'sig');
  const block = (name: string) => [
    `release-package: {name: ${name}, version: '9', repository: ${repository}}`,
    `signing: {type: gpg-agent, home: ${key.home}, key: ${key.key}}`,
  ];
  const keys = `rpm-keys: [${(await testKey()).publicKey}, ${key.publicKeyFile}]`;
  const world = await makeReleaseWorld(dir, {
    images: ['generic-cloud'],
    targets: ['mirror'],
    stream: block(NIGHTLY),
    release: [
      ...[...block(RELEASE), keys, 'images: [generic-cloud]', 'smoke-test: {timeout: 60}'],
      'release: {tree: [mirror]}',
    ],
  });
  onTestFinished(() => world.stop());
  expect(await world.nightly('release-package', 'nightly')).toMatchObject({ code: 0 });

  // The tree must have the stream's own, and nobody else's.
  await nameInTreefile(world, repository, GRUB_CONFIG.name);
  expect(await world.nightly('nightly')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /atomic-nightly\.yaml:\d+:\d+: Hosts with this tree would not follow stream "nightly": it lacks mini-remote-nightly, the release package[\s\S]*what to do: Put mini-remote-nightly into "packages"/,
    ),
  });
  await nameInTreefile(world, repository, NIGHTLY, GRUB_CONFIG.name);
  const id = await night(world);

  const early = await world.nightly('promote', id);
  expect(early).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /No repository of the nightly build's treefile has mini-remote,[\s\S]*release-package release/,
    ),
  });
  expect(await world.nightly('release-package', 'release')).toMatchObject({ code: 0 });
  expect(existsSync(join(world.published, 'mirror/rpms/release/repodata/repomd.xml.asc'))).toBe(true);

  const dry = await world.nightly('promote', id, '--dry-run');
  expect(dry.stdout).toMatch(
    /Compared with the nightly build:\nRemoved:\n {2}mini-remote-nightly-9-1\.noarch\nAdded:\n {2}mini-remote-9-1\.noarch\n/,
  );
  const recommit = await world.nightly('promote', id, '--recommit');
  expect(recommit).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /it has mini-remote-nightly, that of stream "nightly", and lacks mini-remote,[\s\S]*Leave out --recommit/,
    ),
  });
  const path = await standInGuest(dir, join(world.dir, 'work'));
  const promoted = await runCli(world.dir, ['promote', id, '--json'], { PATH: path });
  expect(promoted.stderr).toContain('mini-remote-9-1.noarch replaces mini-remote-nightly');
  expect(promoted.stderr).toContain('but for what must differ');
  const { build, commit } = JSON.parse(promoted.stdout);
  const { pkgdiff } = await json<{ pkgdiff: [string, number][] }>(world, 'diff', id, build);
  expect(pkgdiff.map(([name, kind]) => [name, kind])).toEqual([
    [RELEASE, 0],
    [NIGHTLY, 1],
  ]);
  const cat = async (path: string) =>
    (await run('ostree', [`--repo=${join(world.published, 'staging/repo')}`, 'cat', commit, path])).stdout;
  expect(await cat('/usr/etc/ostree/remotes.d/mini.conf')).toContain(
    `url=${world.url}/mirror/repo\nbranches=mini/x86_64/release;`,
  );
  expect(await cat(`/usr/etc/pki/rpm-gpg/RPM-GPG-KEY-${RELEASE}`)).toContain('BEGIN PGP PUBLIC KEY');
  expect(JSON.parse(await cat('/usr/share/rpm-ostree/treefile.json')).packages).toContain(RELEASE);
  expect((await recordOf(world, build)).promotion).not.toHaveProperty('differencesAccepted');
  // The night's own copy is as it was.
  const copy = join(world.dir, 'work/builds', id, 'x86_64/treefile/sig.yaml');
  expect(await readFile(copy, 'utf8')).toContain(`  - ${NIGHTLY}\n`);

  // A night without one has nothing to be swapped.
  await reconfigure(world, (text) => text.replace(/ {4}release-package: \{name: mini-remote-nightly.*\n/, ''));
  await nameInTreefile(world, repository, GRUB_CONFIG.name);
  expect(await world.nightly('promote', await night(world))).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /it lacks mini-remote, the release package[\s\S]*Give stream "nightly" a release package/,
    ),
  });
});
