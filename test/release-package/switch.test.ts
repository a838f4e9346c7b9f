import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { deploy, initSysroot, pullIntoSysroot } from '../../src/programs/ostree-admin.ts';
import { everyCase } from '../support/every-case.ts';
import { testKey } from '../support/mini-rpm.ts';
import { nameInTreefile } from '../support/package-world.ts';
import { json, makeReleaseWorld, night, RELEASE_REF, recordOf } from '../support/release-world.ts';
import { onDeployment } from '../support/rpm-client.ts';
import { makeSigningKey, type TestKey } from '../support/signing-key.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

it.runIf(everyCase)(
  'a host of the nightly switches to the release with the files of its package, and they count as untouched',
  async () => {
    const dir = temporaryFolder();
    const [nightlyKey, releaseKey] = [
      await makeSigningKey(join(dir, 'nightly')),
      await makeSigningKey(join(dir, 'release')),
    ];
    const block = (name: string, { home, key }: TestKey) => [
      `release-package: {name: ${name}, version: '9', repository: ./${name}}`,
      `signing: {type: gpg-agent, home: ${home}, key: ${key}}`,
    ];
    const keys = [(await testKey()).publicKey, releaseKey.publicKeyFile, nightlyKey.publicKeyFile];
    const world = await makeReleaseWorld(dir, {
      stream: block('remote-nightly', nightlyKey),
      release: [...block('remote-release', releaseKey), `rpm-keys: [${keys.join(', ')}]`],
    });
    onTestFinished(() => world.stop());
    for (const stream of ['nightly', 'release']) await json(world, 'release-package', stream);
    const all = join(world.dir, 'sig');
    await run('sh', ['-c', `mkdir ${all}; cp ${world.dir}/remote-*/*.rpm ${all}; createrepo_c -q ${all}`]);
    await nameInTreefile(world, all, 'remote-nightly');
    const id = await night(world);
    const { commit } = await json<{ commit: string }>(world, 'promote', id);

    const sysroot = join(world.dir, 'sysroot');
    const task = testTask(dir);
    const before = (await recordOf(world, id)).ostreeCommit ?? '';
    const from = { repo: join(world.published, 'repo'), commit: before, remote: 'mini', ref: 'mini/x86_64/nightly' };
    await mkdir(sysroot);
    await initSysroot(sysroot, 'mini', task);
    await pullIntoSysroot({ sysroot, ...from }, task);
    await deploy({ sysroot, osName: 'mini', refspec: `mini:${from.ref}`, kernelArguments: [], env: {} }, task);
    const [nightly, release] = [before, commit].map((one) => `ostree/deploy/mini/deploy/${one}.0`) as [string, string];

    // Without the release's remote it has nothing to pull from; with that of the nightly there is no such ref.
    const early = await onDeployment(sysroot, nightly, `ostree admin --sysroot=/ switch --os=mini mini:${RELEASE_REF}`);
    expect(early).toMatchObject({ code: 1, words: expect.stringContaining(RELEASE_REF) });

    const rpm = join(world.dir, 'remote-release/remote-release-9-1.noarch.rpm');
    await run('sh', ['-c', `cd ${join(sysroot, nightly)} && rpm2cpio ${rpm} | cpio --quiet -idmu './etc/*'`]);
    const switched = await onDeployment(
      sysroot,
      nightly,
      `ostree admin --sysroot=/ switch --os=mini mini:${RELEASE_REF}; ostree admin --sysroot=/ status`,
    );
    expect([switched.code, switched.words]).toEqual([
      0,
      expect.stringContaining(`origin refspec: mini:${RELEASE_REF}`),
    ]);
    const conf = 'ostree/remotes.d/mini.conf';
    const etc = await readFile(join(sysroot, release, 'etc', conf), 'utf8');
    expect(etc).toContain(`url=${world.url}/staging/repo\n`);
    expect(etc).toBe(await readFile(join(sysroot, release, 'usr/etc', conf), 'utf8'));
    const upgraded = await onDeployment(sysroot, release, 'ostree admin --sysroot=/ upgrade --os=mini');
    expect(upgraded).toMatchObject({ code: 0, words: expect.stringContaining('No update available') });
  },
);
