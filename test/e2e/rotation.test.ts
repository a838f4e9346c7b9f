import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { addSigningSubkey, type FileKey, makeFileKey } from '../support/openpgp-key.ts';
import { outsider } from '../support/outsider.ts';
import { strictPull } from '../support/strict-client.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records } from '../support/world.ts';

const DAY = 86_400;

const written = (key: FileKey): string =>
  `{type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${key.passphrase.file}}`;

it('two keys during a rotation: a client with either one alone accepts commit and summary, the next key comes in by a reconcile', async () => {
  const dir = temporaryFolder();
  const old = await makeFileKey(dir, { name: 'old', seconds: 30 * DAY });
  const next = await makeFileKey(dir, { name: 'next' });
  await mkdir(join(dir, 'world'));
  const world = await makeWorld(join(dir, 'world'), { stream: [`signing: ${written(old)}`] });
  onTestFinished(() => world.stop());
  const signWith = async (...keys: readonly FileKey[]): Promise<void> => {
    const config = await readFile(world.config, 'utf8');
    await writeFile(world.config, config.replace(/signing: .*/, `signing: [${keys.map(written).join(', ')}]`));
  };
  const night = await world.nightly('nightly');
  expect(night.code).toBe(0);
  expect(night.stderr).toMatch(new RegExp(`sign.*warning: key ${old.fingerprint} expires in 29 days`));
  const [first] = await records(world);
  await expect(strictPull(world, 'too-early', next.publicKeyFile)).rejects.toThrow(/signature|GPG/i);

  // What is published already gets the second signature: nobody has to wait for the next night.
  await signWith(old, next);
  const announced = await world.nightly('publish', '--reconcile', '--dry-run');
  expect(announced).toMatchObject({ code: 1, stdout: expect.not.stringContaining('nothing to repair') });
  for (const what of [`commit ${first?.['ostree-commit']}`, 'builds/builds.json']) {
    expect(announced.stdout).toContain(`sign ${what}: it lacks a signature\n`);
  }
  expect(announced.stdout).toContain('the summary has no good signature');
  await expect(strictPull(world, 'announced', next.publicKeyFile)).rejects.toThrow(/signature|GPG/i);
  expect(await world.nightly('publish', '--reconcile')).toMatchObject({ code: 0 });
  for (const key of [old, next]) {
    expect(await strictPull(world, `first-${key.fingerprint}`, key.publicKeyFile)).toBe(first?.['ostree-commit']);
  }
  expect((await world.nightly('publish', '--reconcile')).stdout).toContain('nothing to repair');

  await world.distro.bump('app');
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  const second = (await records(world))[1];
  expect(second?.['atomic-nightly.signed-by']).toEqual([old.fingerprint, next.fingerprint]);
  for (const key of [old, next]) {
    expect(await strictPull(world, `second-${key.fingerprint}`, key.publicKeyFile)).toBe(second?.['ostree-commit']);
  }
  const record = join(world.published, 'builds', String(second?.['buildid']), 'x86_64/meta.json');
  const both = await outsider(dir, old.publicKeyFile, next.publicKeyFile);
  expect(await both('--verify', `${record}.asc`, record)).toMatchObject({ code: 0 });
  for (const key of [old, next]) {
    // gpg says good for the key it has, and by its exit code that there is a signature it cannot check.
    const { words } = await (await outsider(dir, key.publicKeyFile))('--verify', `${record}.asc`, record);
    expect(words).toMatch(/Good signature/);
  }
  expect(await world.nightly('verify')).toMatchObject({ code: 0 });

  // The old key goes.
  await signWith(next);
  await world.distro.bump('app');
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  const third = (await records(world))[2];
  expect(await strictPull(world, 'third-next', next.publicKeyFile)).toBe(third?.['ostree-commit']);
  await expect(strictPull(world, 'third-old', old.publicKeyFile)).rejects.toThrow(/signature|GPG/i);
  expect(await world.nightly('verify')).toMatchObject({ code: 0 });
});

it("I2: a subkey added for later locks no client out; verify uses what clients have, and names a key that is not the stream's", async () => {
  const dir = temporaryFolder();
  const key = await makeFileKey(dir);
  await mkdir(join(dir, 'world'));
  const world = await makeWorld(join(dir, 'world'), { stream: [`signing: ${written(key)}`] });
  onTestFinished(() => world.stop());
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  const added = await addSigningSubkey(key);
  await world.distro.bump('app');
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  const second = (await records(world))[1];
  expect(await strictPull(world, 'given-before', key.publicKeyFile)).toBe(second?.['ostree-commit']);
  expect(await world.nightly('verify')).toMatchObject({ code: 0 });

  // Should everything be signed by the new part alone, clients would refuse: verify says so before they do.
  const config = await readFile(world.config, 'utf8');
  await writeFile(
    world.config,
    config.replace(/signing: .*/, `signing: ${written(key).replace('}', `, subkeys: [${added}]}`)}`),
  );
  await world.distro.bump('app');
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  await expect(strictPull(world, 'named', key.publicKeyFile)).rejects.toThrow(/signature|GPG/i);
  await writeFile(world.config, config);
  const verified = await world.nightly('verify');
  expect(verified).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/not ok {2}pull of mini\/x86_64\/nightly: /),
  });
  await writeFile(
    join(world.published, 'get/nightly.gpg'),
    await readFile((await makeFileKey(dir, { name: 'x' })).publicFile),
  );
  expect((await world.nightly('verify')).stdout).toMatch(
    /not ok {2}get\/nightly\.gpg: is [0-9A-F]{40}, none of the keys/,
  );
});

it('a stream signs from now on: what was published before is named with what helps, and that does help', async () => {
  const dir = temporaryFolder();
  const key = await makeFileKey(dir);
  await mkdir(join(dir, 'world'));
  const world = await makeWorld(join(dir, 'world'));
  onTestFinished(() => world.stop());
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  const [first] = await records(world);
  const config = await readFile(world.config, 'utf8');
  await writeFile(world.config, config.replace(/^( +)targets: .*/m, `$&\n$1signing: ${written(key)}`));

  // The reconcile signs what says nothing of its own; it puts no signature under a commit that nobody has signed.
  const plan = `cannot repair the signature of commit ${first?.['ostree-commit']}: none of the keys of stream "nightly"`;
  for (const dryRun of [['--dry-run'], [], []]) {
    const done = await world.nightly('publish', '--reconcile', ...dryRun);
    expect(done).toMatchObject({ code: 1, stdout: expect.stringContaining(plan) });
    expect(done.stdout).toContain('Run "atomic-nightly nightly nightly --force"');
    expect(done.stdout).not.toContain('nothing to repair\n');
  }
  const verified = await world.nightly('verify');
  expect(verified).toMatchObject({ code: 1, stdout: expect.stringContaining('nightly --force') });

  expect(await world.nightly('nightly', 'nightly', '--force')).toMatchObject({ code: 0 });
  const second = (await records(world))[1];
  expect(await strictPull(world, 'after', key.publicKeyFile)).toBe(second?.['ostree-commit']);
  expect(await world.nightly('verify')).toMatchObject({ code: 0 });
  expect((await world.nightly('publish', '--reconcile', '--dry-run')).stdout).toContain('nothing to repair');

  // A stolen key is named no more: the same holds of what it alone has signed.
  const next = await makeFileKey(dir, { name: 'next' });
  const now = await readFile(world.config, 'utf8');
  await writeFile(world.config, now.replace(/signing: .*/, `signing: ${written(next)}`));
  const stolen = await world.nightly('publish', '--reconcile');
  expect(stolen).toMatchObject({ code: 1, stdout: expect.stringContaining(String(second?.['ostree-commit'])) });
  expect(await world.nightly('nightly', 'nightly', '--force')).toMatchObject({ code: 0 });
  expect(await world.nightly('verify')).toMatchObject({ code: 0 });
});
