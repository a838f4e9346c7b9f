import { existsSync } from 'node:fs';
import { appendFile, chmod, copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sha256File } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { breakSignature } from '../support/break-signature.ts';
import { everyCase } from '../support/every-case.ts';
import { keepLog } from '../support/logged-world.ts';
import { buildMiniRpm } from '../support/mini-rpm.ts';
import { outsider } from '../support/outsider.ts';
import { fileIn, makePackageWorld, PACKAGE, reconfigure, rpmFaults, sigRepository } from '../support/package-world.ts';
import { makeSigningKey, type TestKey } from '../support/signing-key.ts';
import { standInSigner } from '../support/stand-in-signer.ts';
import { temporaryFolder } from '../support/tmp.ts';

const agent = ({ home, key }: TestKey) => `signing: {type: gpg-agent, home: ${home}, key: ${key}}`;

/** The same key as a file, and by a program. */
async function otherKinds(dir: string, key: TestKey): Promise<string[]> {
  const [keyFile, gpg] = [join(dir, 'signing.key'), `gpg --homedir ${key.home} --batch --quiet`];
  await run('sh', ['-c', `${gpg} --armor --export-secret-keys > ${keyFile}`]);
  await chmod(keyFile, 0o600);
  const { program } = await standInSigner(dir, `${gpg} --armor --detach-sign`);
  return [
    `signing: {type: openpgp, key-file: ${keyFile}}`,
    `signing: {type: command, command: [${program}], public-key-file: ${key.publicKeyFile}}`,
  ];
}

it('I2: the package is signed by a key of any kind, and an outsider verifies it with the public key alone', async () => {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  for (const [index, signing] of [agent(key), ...(await otherKinds(dir, key))].entries()) {
    const world = await makePackageWorld(join(dir, `world-${index}`), [signing]);
    const made = await world.nightly('release-package', '--json');
    expect(made.stderr).not.toContain('✗');
    const { file, state } = JSON.parse(made.stdout);
    expect([made.code, state, file]).toEqual([0, 'made', join(sigRepository(world), `${PACKAGE}-9-1.noarch.rpm`)]);
    expect(await rpmFaults(dir, key.publicKeyFile, file)).toEqual([]);
    const gpg = await outsider(dir, key.publicKeyFile);
    const repomd = join(world.published, 'rpms/nightly/repodata/repomd.xml');
    expect(await gpg('--verify', `${repomd}.asc`, repomd)).toMatchObject({ code: 0 });

    const conf = await fileIn(file, '/etc/ostree/remotes.d/mini.conf');
    const keyFile = `/etc/pki/rpm-gpg/RPM-GPG-KEY-${PACKAGE}`;
    expect(conf).toBe(
      `# mini, stream nightly\n[remote "mini"]\nurl=${world.url}/repo\nbranches=mini/x86_64/nightly;\ngpg-verify=true\ngpg-verify-summary=true\ngpgkeypath=${keyFile}\n`,
    );
    await writeFile(join(dir, 'key.asc'), await fileIn(file, keyFile));
    expect(await rpmFaults(dir, join(dir, 'key.asc'), file)).toEqual([]);

    // Changed by one byte it is refused, and so is one that somebody else signed.
    const tampered = join(dir, 'tampered.rpm');
    await copyFile(file, tampered);
    await breakSignature(tampered);
    expect(await rpmFaults(dir, key.publicKeyFile, tampered)).toEqual(['bad']);
    const other = await makeSigningKey(join(dir, `other-${index}`));
    expect(await rpmFaults(dir, other.publicKeyFile, file)).toEqual(['unknown-key']);
  }
});

it('I7: unchanged inputs change nothing; a change of any of them is a new release beside the old', async () => {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  const world = await makePackageWorld(join(dir, 'world'), [agent(key)]);
  const repository = sigRepository(world);
  const dry = await world.nightly('release-package', '--dry-run');
  expect(dry).toMatchObject({ code: 0, stdout: expect.stringContaining(`${PACKAGE}-9-1.noarch would be made`) });
  expect(existsSync(repository)).toBe(false);
  expect(await world.nightly('release-package')).toMatchObject({ code: 0 });
  const contents = async () => {
    const files = (await run('find', [repository, join(world.published, 'rpms'), '-type', 'f'])).stdout.split('\n');
    return Promise.all(files.filter(Boolean).map(async (file) => `${file} ${await sha256File(file)}`));
  };
  const before = await contents();
  const again = await world.nightly('release-package');
  expect(again).toMatchObject({ code: 10, stdout: expect.stringContaining('Unchanged') });
  expect(await contents()).toEqual(before);

  // Made again it has the same bytes, with the signature that was kept.
  const [rpm, suid] = [join(repository, `${PACKAGE}-9-1.noarch.rpm`), 'suid-1.0-1.noarch.rpm'];
  const first = await sha256File(rpm);
  await rm(repository, { recursive: true });
  expect(await world.nightly('release-package')).toMatchObject({ code: 0 });
  expect(await sha256File(rpm)).toBe(first);

  // Another's package stays, and is published.
  await copyFile(await buildMiniRpm(world.distro.recipe('suid')), join(repository, suid));
  await reconfigure(world, (text) =>
    text.replace('signing:', 'remote: {url: https://mirror.example.org/repo}\n    signing:'),
  );
  const moved = await world.nightly('release-package', '--json');
  expect(JSON.parse(moved.stdout)).toMatchObject({ state: 'made', package: `${PACKAGE}-9-2.noarch` });
  expect((await readdir(repository)).filter((name) => name.endsWith('.rpm')).sort()).toEqual([
    `${PACKAGE}-9-1.noarch.rpm`,
    `${PACKAGE}-9-2.noarch.rpm`,
    suid,
  ]);
  const metadata = join(world.published, 'rpms/nightly');
  const primary = /repodata\/\w+-primary\.xml\.gz/.exec(
    await readFile(join(metadata, 'repodata/repomd.xml'), 'utf8'),
  )?.[0];
  expect((await run('zcat', [join(metadata, primary ?? '')])).stdout).toContain(`href="${suid}"`);
  expect(existsSync(join(metadata, suid))).toBe(true);
  expect(await fileIn(join(repository, `${PACKAGE}-9-2.noarch.rpm`), '/etc/ostree/remotes.d/mini.conf')).toContain(
    'url=https://mirror.example.org/repo\n',
  );
  // A new version counts from 1 again; one that goes back is refused.
  await reconfigure(world, (text) => text.replace("version: '9'", "version: '10'"));
  expect(JSON.parse((await world.nightly('release-package', '--json')).stdout).package).toBe(`${PACKAGE}-10-1.noarch`);
  await reconfigure(world, (text) => text.replace("version: '10'", "version: '8'"));
  expect(await world.nightly('release-package')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`${PACKAGE}-8-1 would be older than ${PACKAGE}-10-1.noarch.rpm`),
  });
});

it('I16: a package that was signed again under its old name is refused, and the target keeps what it has', async () => {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  const world = await makePackageWorld(join(dir, 'world'), [agent(key)]);
  const [repository, metadata, suid] = [
    sigRepository(world),
    join(world.published, 'rpms/nightly'),
    'suid-1.0-1.noarch.rpm',
  ];
  expect(await world.nightly('release-package')).toMatchObject({ code: 0 });
  await copyFile(await buildMiniRpm(world.distro.recipe('suid')), join(repository, suid));
  expect(await world.nightly('release-package')).toMatchObject({ code: 0 });
  const published = () => Promise.all([suid, 'repodata/repomd.xml'].map((path) => sha256File(join(metadata, path))));
  const before = await published();
  const defines = ['__gpg /usr/bin/gpg', `_gpg_name ${key.key}`, `_gpg_path ${key.home}`];
  await run('rpmsign', [...defines.flatMap((one) => ['--define', one]), '--addsign', join(repository, suid)]);
  expect(await world.nightly('release-package')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /rpms\/nightly\/suid-1\.0-1\.noarch\.rpm with different bytes[\s\S]*Give the package a new release/,
    ),
  });
  expect(await published()).toEqual(before);
});

it('a package that somebody changed in the repository stops it', async () => {
  const dir = temporaryFolder();
  const world = await makePackageWorld(join(dir, 'world'), [agent(await makeSigningKey(dir))]);
  await world.nightly('release-package');
  await appendFile(join(sigRepository(world), `${PACKAGE}-9-1.noarch.rpm`), 'x');
  expect(await world.nightly('release-package')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/rpmkeys refuses .*-9-1\.noarch\.rpm[\s\S]*what to do/),
  });
});

it.runIf(everyCase)(
  'two keys of a rotation: both in the package, the first one signs it, both sign the metadata',
  async () => {
    const dir = temporaryFolder();
    const [old, next] = [await makeSigningKey(join(dir, 'old')), await makeSigningKey(join(dir, 'next'))];
    const both = [agent(old), agent(next)].map((line) => line.replace('signing: ', ''));
    const world = await makePackageWorld(join(dir, 'world'), [`signing: [${both.join(', ')}]`]);
    const made = await world.nightly('release-package', '--json');
    expect(made.stderr).toContain('signed with the first key alone');
    const { file } = JSON.parse(made.stdout);
    expect(await rpmFaults(dir, old.publicKeyFile, file)).toEqual([]);
    expect(await rpmFaults(dir, next.publicKeyFile, file)).toEqual(['unknown-key']);
    await writeFile(join(dir, 'keys.asc'), await fileIn(file, `/etc/pki/rpm-gpg/RPM-GPG-KEY-${PACKAGE}`));
    const gpg = await outsider(dir, join(dir, 'keys.asc'));
    const repomd = join(world.published, 'rpms/nightly/repodata/repomd.xml');
    const { code, words } = await gpg('--verify', `${repomd}.asc`, repomd);
    expect([code, words.match(/Good signature/g)?.length]).toEqual([0, 2]);
  },
);

it('a stream that does not sign says so, in its words and in the package', async () => {
  const dir = temporaryFolder();
  const world = await makePackageWorld(join(dir, 'world'), []);
  const made = await world.nightly('release-package', '--json');
  expect(made.stderr).toContain('does not sign: hosts that have mini-remote-nightly-9-1.noarch check no signatures');
  const { file } = JSON.parse(made.stdout);
  expect(await fileIn(file, '/etc/ostree/remotes.d/mini.conf')).toContain(
    'gpg-verify=false\ngpg-verify-summary=false\n',
  );
  expect(existsSync(join(world.published, 'rpms/nightly/repodata/repomd.xml.asc'))).toBe(false);
});

it.runIf(everyCase)('templates of its own add files, and one that makes another package is refused', async () => {
  const dir = temporaryFolder();
  const world = await makePackageWorld(join(dir, 'world'), []);
  const templates = join(world.dir, 'templates');
  await mkdir(templates);
  const shipped = await readFile(new URL('../../release-templates/package/package.spec.hbs', import.meta.url), 'utf8');
  const more =
    'install -D -m 644 %{_sourcedir}/90.preset %{buildroot}/usr/lib/systemd/system-preset/90.preset\n\n%files\n/usr/lib/systemd/system-preset/90.preset\n';
  await writeFile(join(templates, 'package.spec.hbs'), shipped.replace('%files\n', more));
  await writeFile(join(templates, '90.preset.hbs'), 'enable {{product}}.service\n');
  await reconfigure(world, (text) => text.replace('repository: ./sig', 'repository: ./sig, templates: ./templates'));
  const { file } = JSON.parse((await world.nightly('release-package', '--json')).stdout);
  expect(await fileIn(file, '/usr/lib/systemd/system-preset/90.preset')).toBe('enable mini.service\n');

  await writeFile(join(templates, 'package.spec.hbs'), shipped.replace('Provides: {{inputs}}\n', ''));
  const refused = await world.nightly('release-package');
  expect(refused).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('it does not provide mini-remote-nightly(inputs)'),
  });
  await writeFile(join(templates, 'package.spec.hbs'), `${shipped}{{nothing}}\n`);
  expect(await world.nightly('release-package')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/package\.spec\.hbs:\d+:\d+: .*"nothing"/),
  });
  await rm(templates, { recursive: true });
  expect(await world.nightly('release-package')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/templates.*there is no/s),
  });
});

it('carries what hosts verify upgrades with: the scripts, whom to trust of the log, and a unit', async () => {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  const world = await makePackageWorld(join(dir, 'world'), [agent(key)]);
  const plain = await world.nightly('release-package', '--dry-run');
  await reconfigure(world, (text) => text.replace('repository: ./sig', 'repository: ./sig, verify-upgrades: true'));
  expect(await world.nightly('release-package', '--dry-run')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('needs a log, by which upgrades are verified.'),
  });
  const vkey = await keepLog(world);
  const { code, stdout, stderr } = await world.nightly('release-package', '--json');
  expect([plain.code, code], stderr).toEqual([0, 0]);
  const { file } = JSON.parse(stdout);
  expect(await fileIn(file, `/etc/${PACKAGE}/log-policy`)).toBe(`log ${vkey}\nquorum none\n`);
  for (const name of ['upgrade.sh', 'verify.sh']) {
    const shipped = await readFile(new URL(`../../verify/${name}`, import.meta.url), 'utf8');
    expect(await fileIn(file, `/usr/libexec/${PACKAGE}/${name}`)).toBe(shipped);
  }
  const unit = join(dir, 'unit.service');
  await writeFile(unit, await fileIn(file, `/usr/lib/systemd/system/${PACKAGE}-upgrade.service`));
  expect(await readFile(unit, 'utf8')).toContain(
    `ExecStart=/bin/sh /usr/libexec/${PACKAGE}/upgrade.sh -p /etc/${PACKAGE}/log-policy mini:mini/x86_64/nightly\n`,
  );
});
