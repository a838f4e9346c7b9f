import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { everyCase } from '../support/every-case.ts';
import { makeFileKey, PASSPHRASE } from '../support/openpgp-key.ts';
import { replaceFile } from '../support/reconcile.ts';
import { signedFiles } from '../support/signed-files.ts';
import { makeSigningKey } from '../support/signing-key.ts';
import { expectSilence } from '../support/silence.ts';
import { standInSigner } from '../support/stand-in-signer.ts';
import { strictPull } from '../support/strict-client.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records } from '../support/world.ts';

it('every image, record and pointer of a signing stream has a signature beside it, good for somebody with the public key alone', async () => {
  const dir = temporaryFolder();
  const key = await makeFileKey(dir);
  await mkdir(join(dir, 'world'));
  const signing = `signing: {type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${key.passphrase.file}}`;
  const world = await makeWorld(join(dir, 'world'), { images: ['vagrant-libvirt'], stream: [signing] });
  onTestFinished(() => world.stop());
  const night = await world.nightly('nightly');
  expect(night).toMatchObject({ code: 0 });
  const [build] = await records(world);
  const folder = `builds/${build?.['buildid']}/x86_64`;
  const published = await filesBelow(world.published);
  const image = published.find((path) => /images\/.*\.box$/.test(path)) ?? 'no image';
  const inFolder = (name: string) => `${folder}/${name}`;
  const expected = [
    ...['SHA256SUMS', 'diff.json', 'lockfile.json', 'meta.json', 'provenance.json', 'signatures.json'].map(inFolder),
    ...['treefile.json', 'treefile.tar.gz'].map(inFolder),
    image,
    'builds/builds.json',
    'streams/nightly.json',
    'vagrant/mini-nightly.json',
  ];
  const signed = await signedFiles(world, dir, key.publicKeyFile);
  expect(signed).toEqual({ good: expected.toSorted(), bad: [], alone: [] });
  await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: join(world.published, folder) });
  expect(await strictPull(world, 'client', key.publicKeyFile)).toBe(build?.['ostree-commit']);
  const shown = await run('ostree', ['show', `--repo=${join(world.dir, 'client')}`, 'origin:mini/x86_64/nightly']);
  expect(shown.stdout).toMatch(/Found 1 signature:[\s\S]*Good signature from "signer <signer@example.org>"/);
  expect((await world.nightly('show', String(build?.['buildid']))).stdout).toContain(`Signed by: ${key.fingerprint}`);

  // I11: the passphrase is nowhere but in its file.
  const found = await run('grep', ['-rlF', PASSPHRASE, world.dir], { okExitCodes: [0, 1] });
  expect(found.stdout).toBe('');
  expect(night.stdout + night.stderr).not.toContain(PASSPHRASE);

  // What is tampered with is found, and repaired from here.
  const verified = await world.nightly('verify');
  expect(verified.stdout).toMatch(/ok {6}.*signatures: 9 files/);
  expect(verified.code).toBe(0);
  await replaceFile(join(world.published, `${folder}/diff.json.asc`), 'no signature');
  await replaceFile(
    join(world.published, 'builds/builds.json.asc'),
    await readFile(join(world.published, `${image}.asc`)),
  );
  await run('sh', ['-c', 'echo >> "$1"', 'sh', join(world.published, image)]);
  const bad = ['builds/builds.json', `${folder}/diff.json`, image];
  expect(await signedFiles(world, dir, key.publicKeyFile)).toMatchObject({ bad: bad.toSorted(), alone: [] });
  const tampered = await world.nightly('verify', '--json');
  expect(tampered.code).toBe(1);
  const faults = JSON.parse(tampered.stdout)[0].checks.filter(({ ok }: { ok: boolean }) => !ok);
  expect(faults.map(({ what }: { what: string }) => what)).toEqual([
    expect.stringContaining('images/'),
    expect.stringContaining('diff.json.asc'),
    'builds/builds.json, signature',
  ]);
  expect(await world.nightly('publish', '--reconcile')).toMatchObject({ code: 0 });
  expect(await signedFiles(world, dir, key.publicKeyFile)).toEqual(signed);
  expect(await world.nightly('verify', '--images')).toMatchObject({ code: 0 });
});

it.runIf(everyCase)(
  'I2, I4: a signer that is down once the tree is out leaves the build incomplete and none of its files visible; a resume asks for what is missing',
  async () => {
    const dir = temporaryFolder();
    const key = await makeSigningKey(dir);
    const gpg = `gpg --homedir ${key.home} --batch --quiet --local-user ${key.key} --detach-sign`;
    // Commit and summary are signed; then the server goes away.
    const standIn = await standInSigner(
      dir,
      `test $(wc -l < ${dir}/signer-calls) -le 2 -o -e ${dir}/up || exit 9; ${gpg}`,
    );
    await mkdir(join(dir, 'world'));
    const command = `command: [${standIn.program}], public-key-file: ${key.publicKeyFile}, retries: 0`;
    const world = await makeWorld(join(dir, 'world'), { stream: [`signing: {type: command, ${command}}`] });
    onTestFinished(() => world.stop());
    const night = await world.nightly('nightly');
    expect(night.code).toBe(1);
    expect(night.stdout).toMatch(
      /is incomplete: the tree is published .*\n {2}sign-files: The signer .* ended with exit code 9/,
    );
    expect((await filesBelow(world.published)).filter((path) => path.startsWith('builds/'))).toEqual([]);

    await writeFile(join(dir, 'up'), '');
    expect(await world.nightly('resume')).toMatchObject({ code: 0 });
    const { good, ...rest } = await signedFiles(world, dir, key.publicKeyFile);
    expect({ good: good.length, ...rest }).toEqual({ good: 9, bad: [], alone: [] });
    // Commit, summary, the try that failed, and then each of the nine once.
    expect(await standIn.calls()).toHaveLength(12);
    await expectSilence(world);
  },
);
