import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { breakSignature } from '../support/break-signature.ts';
import { serveFolder } from '../support/nginx.ts';
import { makePackageWorld, nameInTreefile, PACKAGE, sigRepository } from '../support/package-world.ts';
import { night } from '../support/release-world.ts';
import { asHost, dnfInstall } from '../support/rpm-client.ts';
import { makeSigningKey, type TestKey } from '../support/signing-key.ts';
import { temporaryFolder } from '../support/tmp.ts';

const agent = ({ home, key }: TestKey) => `{type: gpg-agent, home: ${home}, key: ${key}}`;
const REF = 'mini/x86_64/nightly';

it('I6: dnf installs it from the public URL with all its checks on, and hosts with it pull the signed tree alone', async () => {
  const dir = temporaryFolder();
  const [key, next] = [await makeSigningKey(join(dir, 'key')), await makeSigningKey(join(dir, 'next'))];
  const world = await makePackageWorld(join(dir, 'world'), [`signing: [${agent(key)}, ${agent(next)}]`]);
  expect(await world.nightly('release-package')).toMatchObject({ code: 0 });
  await nameInTreefile(world, sigRepository(world), PACKAGE);
  await night(world);
  const repository = { url: `${world.url}/rpms/nightly`, key: key.publicKeyFile };
  const stranger = await makeSigningKey(join(dir, 'stranger'));
  const refused = await dnfInstall(dir, { ...repository, key: stranger.publicKeyFile }, PACKAGE);
  expect(refused).toMatchObject({ code: 1, words: expect.stringMatching(/repomd\.xml GPG signature|GPG/) });
  const { root, words, code } = await dnfInstall(dir, repository, PACKAGE);
  expect([code, words]).toEqual([0, expect.stringContaining('Complete!')]);

  const pulled = await asHost(root, `ostree pull mini && ostree show --gpg-verify-remote=mini mini:${REF}`);
  expect([pulled.code, pulled.words]).toEqual([0, expect.stringContaining('Good signature')]);
  // In a rotation either key will do; with that of somebody else neither the summary nor the commit is believed.
  const keyFile = join(root, 'etc/pki/rpm-gpg', `RPM-GPG-KEY-${PACKAGE}`);
  const keys = await readFile(keyFile, 'utf8');
  for (const one of [key, next]) {
    await writeFile(keyFile, await readFile(one.publicKeyFile));
    expect(await asHost(root, `ostree pull mini ${REF}`)).toMatchObject({ code: 0 });
  }
  await writeFile(keyFile, await readFile(stranger.publicKeyFile));
  expect(await asHost(root, `ostree pull mini ${REF}`)).toMatchObject({
    code: 1,
    words: expect.stringMatching(/^error: Signature made [\s\S]*public key not found/),
  });
  const conf = join(root, 'etc/ostree/remotes.d/mini.conf');
  const text = await readFile(conf, 'utf8');
  await writeFile(conf, text.replace('gpg-verify-summary=true', 'gpg-verify-summary=false'));
  await mkdir(join(root, 'ostree/old'), { recursive: true });
  expect(
    await asHost(
      root,
      `mv /ostree/repo /ostree/old && ostree init --repo=/ostree/repo --mode=bare && ostree pull mini ${REF}`,
    ),
  ).toMatchObject({
    code: 1,
    words: expect.stringMatching(/^error: Commit \w+: Signature made [\s\S]*public key not found/),
  });
  expect(keys.match(/BEGIN PGP PUBLIC KEY BLOCK/g)).toHaveLength(2);
});

it('an RPM that was changed on the server is refused by dnf', async () => {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  const world = await makePackageWorld(join(dir, 'world'), [`signing: ${agent(key)}`]);
  await world.nightly('release-package');
  await breakSignature(join(world.published, `rpms/nightly/${PACKAGE}-9-1.noarch.rpm`));
  const server = await serveFolder({ root: join(world.published, 'rpms/nightly') });
  onTestFinished(() => server.stop());
  const refused = await dnfInstall(dir, { url: server.url, key: key.publicKeyFile }, PACKAGE);
  expect(refused).toMatchObject({ code: 1, words: expect.stringMatching(/checksum doesn't match|No more mirrors/) });
});
