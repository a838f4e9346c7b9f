import { existsSync, readdirSync } from 'node:fs';
import { copyFile, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { outsider } from '../support/outsider.ts';
import { makePackageWorld, PACKAGE, rpmFaults, sigRepository } from '../support/package-world.ts';
import { killIfThere } from '../support/processes.ts';
import { makeSigningKey } from '../support/signing-key.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { startCli, type World } from '../support/world.ts';

const RPM = `${PACKAGE}-9-1.noarch.rpm`;

/** When a run is killed: as soon as this is seen. */
const MOMENTS: Readonly<Record<string, (world: World) => boolean>> = {
  'while it builds': (world) => existsSync(join(world.dir, 'work/scratch/release-package/package/sources')),
  'when the package is there': (world) => existsSync(join(sigRepository(world), RPM)),
  'while metadata are made': (world) => existsSync(join(sigRepository(world), '.repodata-new')),
  'while metadata are put in place': (world) => existsSync(join(sigRepository(world), 'repodata')),
  'when the package is published': (world) => existsSync(join(world.published, 'rpms/nightly', RPM)),
};

/** Gives whether that was seen at all. */
async function killWhen(world: World, seen: (world: World) => boolean): Promise<boolean> {
  const child = startCli(world.dir, ['release-package']);
  const closed = new Promise((resolve) => child.on('close', resolve));
  let found = seen(world);
  while (child.exitCode === null && !found) {
    await new Promise(setImmediate);
    found = seen(world);
  }
  if (child.pid !== undefined && child.exitCode === null) killIfThere(-child.pid);
  await closed;
  return found;
}

it('I4: killed at any moment, the same command ends in the same, and nobody sees anything unsigned until then', async () => {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  const gpg = await outsider(dir, key.publicKeyFile);
  const signing = `signing: {type: gpg-agent, home: ${key.home}, key: ${key.key}}`;
  for (const [when, seen] of Object.entries(MOMENTS)) {
    const world = await makePackageWorld(join(dir, when.replaceAll(' ', '-')), [signing]);
    expect(await killWhen(world, seen), when).toBe(true);
    const repodata = join(world.published, 'rpms/nightly/repodata');
    const repomd = join(repodata, 'repomd.xml');
    if (existsSync(repomd)) expect(await gpg('--verify', `${repomd}.asc`, repomd), when).toMatchObject({ code: 0 });
    const rpms = existsSync(join(sigRepository(world), RPM)) ? [join(sigRepository(world), RPM)] : [];
    expect(await rpmFaults(dir, key.publicKeyFile, ...rpms), when).toEqual([]);

    const again = await world.nightly('release-package');
    expect([0, 10], when).toContain(again.code);
    expect(readdirSync(sigRepository(world)).sort(), when).toEqual([RPM, 'repodata']);
    expect(await rpmFaults(dir, key.publicKeyFile, join(world.published, 'rpms/nightly', RPM)), when).toEqual([]);
    expect(await gpg('--verify', `${repomd}.asc`, repomd), when).toMatchObject({ code: 0 });
    expect((await readdir(repodata)).sort(), when).toEqual(
      (await readdir(join(sigRepository(world), 'repodata'))).sort(),
    );
  }
});

it('metadata that were left without their signature, damaged, or not published are made good', async () => {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  const world = await makePackageWorld(join(dir, 'world'), [
    `signing: {type: gpg-agent, home: ${key.home}, key: ${key.key}}`,
  ]);
  await world.nightly('release-package');
  const repodata = join(sigRepository(world), 'repodata');
  const mended = async () => JSON.parse((await world.nightly('release-package', '--json')).stdout).state;
  // As between the two renames: the signature is that of another repomd.xml.
  await copyFile(join(world.published, 'rpms/nightly/repodata/repomd.xml.asc'), join(dir, 'first.asc'));
  await rm(join(repodata, 'repomd.xml.asc'));
  expect(await mended()).toBe('published');
  await copyFile(join(dir, 'first.asc'), join(repodata, 'repomd.xml.asc'));
  expect(await mended()).toBe('published');
  for (const name of await readdir(repodata)) if (name.endsWith('primary.xml.gz')) await rm(join(repodata, name));
  expect(await mended()).toBe('published');
  await rm(join(world.published, 'rpms'), { recursive: true });
  expect(await mended()).toBe('published');
  expect(await mended()).toBe('unchanged');
  const repomd = join(world.published, 'rpms/nightly/repodata/repomd.xml');
  expect(await readFile(repomd)).toEqual(await readFile(join(repodata, 'repomd.xml')));
});
