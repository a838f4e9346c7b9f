import { existsSync } from 'node:fs';
import { copyFile, cp, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../../src/programs/exec.ts';
import { removeTree } from '../../../src/programs/rm.ts';
import { changePrimary } from '../../support/changed-repo.ts';
import { type MiniDistro, makeMiniDistro } from '../../support/mini-distro.ts';
import { serveFolder } from '../../support/nginx.ts';
import { composeMini, makePlace, type Place } from './support.ts';

async function world(options: { readonly signed?: boolean } = {}): Promise<{ place: Place; distro: MiniDistro }> {
  const place = await makePlace();
  onTestFinished(() => removeTree(place.dir, place.task));
  return { place, distro: await makeMiniDistro(join(place.dir, 'distro'), options) };
}

/** The primary metadata with another name for a package and for what requires it. */
const renamed = (from: string, to: string) => (xml: string) =>
  xml.replaceAll(`<name>${from}</name>`, `<name>${to}</name>`).replaceAll(`name="${from}"`, `name="${to}"`);

test('I12: a name that no package can have is refused, and no file is written for it', async () => {
  const { place, distro } = await world();
  const repodata = join(distro.repoDir, 'repodata');
  await cp(repodata, join(distro.dir, 'good'), { recursive: true });
  for (const name of ['../../x/pwned', '..', '-rf', 'a/b', '__proto__', 'a b']) {
    await cp(join(distro.dir, 'good'), repodata, { recursive: true });
    await changePrimary(distro.repoDir, renamed('lib', name));
    await expect(composeMini(distro, place)).rejects.toMatchObject({
      code: 'repo-unreachable',
      message: expect.stringContaining(name),
      hint: expect.stringContaining('metadata'),
    });
  }
  expect(await readdir(join(place.dir, 'cache'))).not.toContain('rpms');
  expect(existsSync(join(place.dir, 'x'))).toBe(false);
});

test('I14: an old, validly signed package that is given out as a new one is not installed', async () => {
  const { place, distro } = await world({ signed: true });
  const first = await composeMini(distro, place);
  await changePrimary(distro.repoDir, (xml) =>
    xml.replace(/<name>lib<\/name>[\s\S]*?<version [^>]*>/, (text) => text.replace('ver="1.0"', 'ver="3.0"')),
  );
  await expect(composeMini(distro, place, { parent: first.commit })).rejects.toMatchObject({
    code: 'verify',
    message: expect.stringMatching(/lib-3\.0-1\.noarch from repository "mini": .* is lib-1\.0-1\.noarch/),
  });
});

test('I14: a file that is not an RPM is named as such', async () => {
  const { place, distro } = await world();
  await writeFile(join(distro.repoDir, 'lib-1.0-1.noarch.rpm'), 'garbage');
  const { stdout } = await run('sha256sum', [join(distro.repoDir, 'lib-1.0-1.noarch.rpm')]);
  await changePrimary(distro.repoDir, (xml) =>
    xml.replace(/<name>lib<\/name>[\s\S]*?<size package="\d+"/, (text) =>
      text.replace(/(pkgid="YES">)\w+/, `$1${stdout.slice(0, 64)}`).replace(/<size package="\d+"/, '<size package="7"'),
    ),
  );
  await expect(composeMini(distro, place)).rejects.toMatchObject({
    code: 'verify',
    message: expect.stringContaining('is not an RPM that can be read'),
  });
});

for (const checksum of ['sha384', 'sha512']) {
  test(`a repository whose metadata has ${checksum} checksums composes`, async () => {
    const { place, distro } = await world();
    await run('createrepo_c', [
      '--quiet',
      '--no-database',
      '--simple-md-filenames',
      `--checksum=${checksum}`,
      distro.repoDir,
    ]);
    const server = await serveFolder({ root: distro.repoDir });
    onTestFinished(() => server.stop());
    await distro.writeRepoFile({ baseurl: server.url });
    await composeMini(distro, place);
  });
}

test('a repository whose metadata has SHA-1 checksums is refused, and the hint says what makes it good', async () => {
  const { place, distro } = await world();
  await run('createrepo_c', ['--quiet', '--no-database', '--simple-md-filenames', '--checksum=sha1', distro.repoDir]);
  await expect(composeMini(distro, place)).rejects.toMatchObject({
    code: 'repo-unreachable',
    message: expect.stringMatching(/"mini" has a SHA-1 checksum for/),
    hint: expect.stringContaining('createrepo_c --checksum=sha256'),
  });
});

test('I12: a location that leads out of a repository in a folder is not followed', async () => {
  const { place, distro } = await world();
  await copyFile(join(distro.repoDir, 'lib-1.0-1.noarch.rpm'), join(distro.dir, 'outside.rpm'));
  await rename(join(distro.repoDir, 'lib-1.0-1.noarch.rpm'), join(distro.dir, 'moved.rpm'));
  await changePrimary(distro.repoDir, (xml) => xml.replace('href="lib-1.0-1.noarch.rpm"', 'href="../outside.rpm"'));
  await expect(composeMini(distro, place)).rejects.toMatchObject({ code: 'repo-unreachable' });
});

test('I12: metadata names no files of this machine outside its repository; packages elsewhere are fetched from there', async () => {
  const { place, distro } = await world();
  const at = (base: string) => (xml: string) =>
    xml.replace(/<location [^>]*href="(lib-1[^"]*)"/, `<location xml:base="${base}" href="$1"`);
  await cp(distro.repoDir, join(distro.dir, 'elsewhere'), { recursive: true });
  const elsewhere = await serveFolder({ root: join(distro.dir, 'elsewhere') });
  onTestFinished(() => elsewhere.stop());
  const server = await serveFolder({ root: distro.repoDir });
  onTestFinished(() => server.stop());
  await changePrimary(distro.repoDir, at(`file://${distro.dir}/elsewhere/`));
  const refused = {
    code: 'repo-unreachable',
    message: expect.stringMatching(/"mini" says that lib-1\.0-1\.noarch is at file:.*: metadata names no files/),
  };
  await expect(composeMini(distro, place)).rejects.toMatchObject(refused);
  await distro.writeRepoFile({ baseurl: server.url });
  await expect(composeMini(distro, place)).rejects.toMatchObject(refused);

  await distro.writeRepoFile();
  await changePrimary(distro.repoDir, at(`${elsewhere.url}/`));
  await composeMini(distro, place);
});

test('K19: metadata that cannot be read is named as the cause, not the network', async () => {
  const { place, distro } = await world();
  await changePrimary(distro.repoDir, () => '\0'.repeat(1000));
  await expect(composeMini(distro, place)).rejects.toMatchObject({
    code: 'repo-unreachable',
    message: expect.stringMatching(/^Loading repository 'mini' has failed: its metadata cannot be read: .*\S/),
    hint: expect.stringContaining('Its owner must create the metadata again'),
  });
});

test('K7: an advisory with more references than any has is refused, and nothing waits for the library to go through them', async () => {
  const { place, distro } = await world();
  const reference = '<reference href="http://x" id="1" title="CVE-2026-5" type="bugzilla"/>';
  const text =
    '<updates><update from="a" status="final" type="security" version="1"><id>X-1</id><title>t</title>' +
    `<issued date="2026-01-01 00:00:00"/><references>${reference.repeat(100_000)}</references><pkglist><collection short="x">` +
    '<package name="app" version="2.0" release="1" epoch="1" arch="noarch" src="x"><filename>f</filename></package>' +
    '</collection></pkglist></update></updates>';
  await writeFile(join(distro.dir, 'updateinfo.xml'), text);
  await run('modifyrepo_c', [
    '--mdtype=updateinfo',
    join(distro.dir, 'updateinfo.xml'),
    join(distro.repoDir, 'repodata'),
  ]);
  await expect(composeMini(distro, place)).rejects.toMatchObject({
    code: 'repo-unreachable',
    message: expect.stringMatching(/^The advisory X-1 has 100000 references/),
  });
});
