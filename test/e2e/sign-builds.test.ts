import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { type FileKey, makeFileKey } from '../support/openpgp-key.ts';
import { outsider } from '../support/outsider.ts';
import { signedFiles } from '../support/signed-files.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records } from '../support/world.ts';

/** What a further signature may change. */
const SIGNATURES = /\.asc$|\.commitmeta$|^repo\/(summary|summary\.sig|refs\/.*|\.lock)$|\.lock$/;

it('a key that comes later signs earlier builds as well: files, images that are only on the target, commits of the history', async () => {
  const dir = temporaryFolder();
  const old = await makeFileKey(dir, { name: 'old' });
  const next = await makeFileKey(dir, { name: 'next' });
  const written = ({ keyFile, passphrase }: FileKey): string =>
    `{type: openpgp, key-file: ${keyFile}, passphrase-file: ${passphrase.file}}`;
  await mkdir(join(dir, 'world'));
  const world = await makeWorld(join(dir, 'world'), {
    images: ['generic-cloud'],
    stream: [`signing: ${written(old)}`],
  });
  onTestFinished(() => world.stop());
  const signWith = async (...keys: readonly FileKey[]): Promise<void> => {
    const config = await readFile(world.config, 'utf8');
    await writeFile(world.config, config.replace(/signing: .*/, `signing: [${keys.map(written).join(', ')}]`));
  };
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  await world.distro.bump('app');
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  const [first, second] = await records(world);
  const folder = `builds/${first?.['buildid']}/x86_64`;
  const commit = String(first?.['ostree-commit']);
  // As the local retention leaves it: the image is on the target alone.
  await rm(join(world.dir, 'work', folder, 'images'), { recursive: true });
  const content = async () => {
    const paths = (await filesBelow(world.published)).filter((path) => !SIGNATURES.test(path));
    return (await run('sha256sum', paths.toSorted(), { cwd: world.published })).stdout;
  };
  /** What a fresh client that trusts one key gets of the first commit. */
  const pullFirst = async (name: string, key: FileKey): Promise<string> => {
    const ostree = (...args: string[]) => run('ostree', [`--repo=${join(world.dir, name)}`, ...args]);
    await ostree('init', '--mode=bare-user');
    const trust = [`--gpg-import=${key.publicKeyFile}`, '--set=gpg-verify-summary=true'];
    await ostree('remote', 'add', ...trust, 'origin', `${world.url}/repo`);
    await ostree('pull', 'origin', commit);
    return (await ostree('show', '--gpg-verify-remote=origin', commit)).stdout;
  };

  await signWith(old, next);
  expect(await world.nightly('publish', '--reconcile')).toMatchObject({ code: 0 });
  await expect(pullFirst('before', next)).rejects.toThrow(/signature|GPG/i);
  const announced = await world.nightly('publish', '--reconcile', '--sign-builds', '--dry-run');
  expect(announced.code).toBe(1);
  const image = `${folder}/images/mini-${first?.['buildid']}-GenericCloud.qcow2`;
  for (const what of [`commit ${commit}`, image, `${folder}/SHA256SUMS`]) {
    expect(announced.stdout).toContain(`sign ${what}: it lacks a signature\n`);
  }

  const before = await content();
  const signed = await world.nightly('publish', '--reconcile', '--sign-builds');
  expect(signed.stderr).not.toContain('✗');
  expect(signed).toMatchObject({ code: 0 });
  expect(await content()).toBe(before);
  expect((await world.nightly('publish', '--reconcile', '--sign-builds')).stdout).toContain('nothing to repair');
  const both = await outsider(dir, old.publicKeyFile, next.publicKeyFile);
  const published = (await filesBelow(world.published)).filter((path) => path.endsWith('.asc'));
  expect(published.filter((path) => path.startsWith(folder))).toHaveLength(9);
  const alone = await outsider(dir, next.publicKeyFile);
  for (const path of published) {
    const signature = join(world.published, path);
    expect(await both('--verify', signature, signature.slice(0, -4)), path).toMatchObject({ code: 0 });
    const { words } = await alone('--verify', signature, signature.slice(0, -4));
    expect(words, path).toMatch(/Good signature from "next/);
  }
  for (const key of [old, next]) expect(await pullFirst(key.fingerprint, key)).toContain('Good signature');

  // The old key goes, and what it signed is looked at with the new one.
  await signWith(next);
  // People would go on being given the old key until something is built.
  const offered = await world.nightly('publish', '--reconcile');
  expect(offered.stdout).toContain('put get/nightly.gpg: it is not what the stream signs with\n');
  expect((await world.nightly('publish', '--reconcile')).stdout).toContain('nothing to repair');
  const verified = await world.nightly('verify', '--images');
  expect(verified.stdout).toContain(`ok      build ${first?.['buildid']} x86_64, signatures: 9 files`);
  expect(verified.stdout).not.toContain('no longer in use');
  expect(verified.code).toBe(0);
  expect((await signedFiles(world, dir, old.publicKeyFile)).alone).toEqual([]);
  expect(second?.['atomic-nightly.signed-by']).toEqual([old.fingerprint]);
});
