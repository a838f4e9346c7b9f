import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { publishedRepositories } from '../../../src/steps/recompose/published-repositories.ts';
import { unpackTreefile } from '../../../src/steps/recompose/unpack-treefile.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const HTTP = 'https://mirror.example/mini';

/** Unpacks a treefile of these files. */
async function unpacked(files: Readonly<Record<string, string>>) {
  const folder = join(temporaryFolder(), 'treefile');
  const members = Object.entries(files).map(([path, text]) => ({ path, mode: 0o644, content: Buffer.from(text) }));
  const treefile = await unpackTreefile(members, { folder, top: 'x/host.json', arch: 'x86_64' });
  return { treefile, folder, members };
}

const host = (more = {}) => ({
  'x/host.json': JSON.stringify({ ref: 'a/b', repos: ['mini'], packages: ['app'], ...more }),
});

const withRepo = (...lines: readonly string[]) => ({
  ...host(),
  'x/mini.repo': `[mini]\nname=mini\n${lines.join('\n')}\n`,
  'keys/KEY': 'key',
});

describe("a stranger's treefile uses nothing of this host", () => {
  it.each([
    { include: ['/etc/hostname.json'] },
    { 'add-files': [['/etc/passwd', '/usr/share/passwd']] },
    { 'add-files': [['../../../../../../../etc/passwd', '/usr/share/passwd']] },
    { 'postprocess-script': '/bin/true' },
  ])('I12: %j', async (more) => {
    await expect(unpacked(host(more))).rejects.toMatchObject({ code: 'treefile' });
  });

  it.each([
    ['baseurl=file:///srv/rpms', /needs what only its publisher has: file:\/\/\/srv\/rpms/],
    [`baseurl=${HTTP}\nsslclientkey=/etc/pki/private.key`, /\/etc\/pki\/private\.key/],
    [`baseurl=${HTTP}\nproxy_sslcacert=ca.pem\nproxy=https://proxy.example`, /ca\.pem/],
    [`baseurl=${HTTP}\ngpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/OTHER`, /rpm-gpg\/OTHER/],
  ])('I12: %j in its .repo file', async (lines, message) => {
    const { treefile, folder, members } = await unpacked(withRepo(lines));
    await expect(publishedRepositories(treefile, { folder, members, own: [] })).rejects.toThrow(message);
  });

  it('takes keys that it names in files from its own archive', async () => {
    const lines = [`baseurl=${HTTP}`, 'gpgcheck=1', 'gpgkey=file:///home/nightly/treefiles/keys/KEY'];
    const { treefile, folder, members } = await unpacked(withRepo(...lines));
    const [repo] = await publishedRepositories(treefile, { folder, members, own: [] });
    expect(repo).toMatchObject({ id: 'mini', baseurl: [HTTP], gpgkey: [`file://${folder}/keys/KEY`] });
  });

  it('is told otherwise by a .repo file of whoever rebuilds', async () => {
    const { treefile, folder, members } = await unpacked(withRepo('baseurl=file:///srv/rpms'));
    const own = join(temporaryFolder(), 'own.repo');
    writeFileSync(own, '[mini]\nname=mine\nbaseurl=file:///mine\n[more]\nname=more\nbaseurl=https://more.example/\n');
    const repos = await publishedRepositories(treefile, { folder, members, own: [own] });
    expect(repos.map(({ id, baseurl }) => [id, ...baseurl])).toEqual([
      ['mini', 'file:///mine'],
      ['more', 'https://more.example/'],
    ]);
  });
});
