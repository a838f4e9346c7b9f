import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ReleaseFacts } from '../../../src/reports/release/facts.ts';
import { messageFile } from '../../../src/reports/release/release-mail.ts';
import { RELEASE_TEXTS, renderRelease } from '../../../src/reports/release/render-release.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const FACTS: ReleaseFacts = {
  product: 'CentOS Atomic Host',
  version: '20261121_03',
  date: '2026-11-21',
  arch: 'x86_64',
  ref: 'centos-atomic-host/7/x86_64/standard',
  commit: 'c'.repeat(64),
  night: '20261120_01',
  upstream: '7.2611.2',
  reason: 'The November release.',
  previous: { version: '20261024_02', date: '2026-10-24' },
  summary: '1 upgraded, 1 added, 1 removed',
  part: 'Package',
  packages: [
    { name: 'bash', from: '4.2.46-33', to: '4.2.46-34' },
    { name: 'podman', from: '', to: '5.1-1' },
    { name: 'docker', from: '1.13-2', to: '' },
  ],
  advisorySummary: 'security: 1 important',
  advisories: [
    {
      ...{ id: 'CESA-2026:1', type: 'security', severity: 'Important', title: 'bash | fix *this*' },
      ...{ cves: 'CVE-2026-1234', packages: 'bash' },
    },
  ],
  images: [
    {
      type: 'generic-cloud',
      file: 'CentOS-Atomic-Host-7-20261121_03-GenericCloud.qcow2',
      url: 'https://cloud.example.org/builds/20261121_03/x86_64/images/CentOS-Atomic-Host-7-20261121_03-GenericCloud.qcow2',
      size: '512.0 MB',
      sha256: 'a'.repeat(64),
    },
  ],
  remote: { name: 'centos-atomic-host', url: 'https://mirror.example.org/atomic/repo' },
  remotePackage: '',
  folder: 'https://cloud.example.org/builds/20261121_03/x86_64',
  keyUrl: 'https://cloud.example.org/builds/20261121_03/x86_64/release/key.asc',
  keyFile: 'key.asc',
  keys: [{ fingerprint: 'F'.repeat(40), userId: 'Atomic SIG <sig@example.org>' }],
  verifier: '',
  knownIssues: '- None of the clocks are right.',
};

it('every text tells the advisories, whose titles become no markup', async () => {
  expect(await renderRelease('notes.md', FACTS, undefined)).toContain(
    '| CESA-2026:1 | security, Important | bash \\| fix \\*this\\* | CVE-2026-1234 | bash |\n',
  );
  expect(await renderRelease('announcement.txt', FACTS, undefined)).toContain(
    'Advisories: security: 1 important.\n\n  CESA-2026:1 (Important): bash | fix *this* (CVE-2026-1234)\n',
  );
  const none = { ...FACTS, advisories: [], advisorySummary: '' };
  for (const name of RELEASE_TEXTS) expect(await renderRelease(name, none, undefined)).not.toContain('dvisor');
});

it('notes name the script that checks downloads by its digest, where a log is kept', async () => {
  const url = 'https://cloud.example.org/get/verify.sh';
  const verifier = {
    file: 'verify.sh',
    url,
    sha256: 'b'.repeat(64),
    logKey: 'x/log+37d63fe0+AQ==',
    proofUrl: 'https://x/p',
  };
  const notes = await renderRelease('notes.md', { ...FACTS, verifier }, undefined);
  expect(notes).toContain(`echo '${'b'.repeat(64)}  verify.sh' | sha256sum --check\n`);
  expect(notes).toContain("sh verify.sh -k 'x/log+37d63fe0+AQ==' SHA256SUMS SHA256SUMS.tlog-proof\n");
  expect(await renderRelease('notes.md', FACTS, undefined)).not.toContain('verify.sh');
});

it('notes, wiki page and announcement say what changed, where it is and how it is verified', async () => {
  const texts = await Promise.all(RELEASE_TEXTS.map((name) => renderRelease(name, FACTS, undefined)));
  for (const text of texts) {
    for (const said of ['20261121_03', '20261024_02', 'bash', '4.2.46-34', 'podman', 'docker', '1.13-2']) {
      expect(text).toContain(said);
    }
    for (const said of [FACTS.commit, 'F'.repeat(40), 'a'.repeat(64), 'None of the clocks', 'The November release.']) {
      expect(text).toContain(said);
    }
    // No blank left where a value was empty, no tag left over.
    expect(text).not.toMatch(/undefined|\[object|(?<!{){{[^{]|\n\n\n/);
  }
  const [notes = '', wiki = '', mail = ''] = texts;
  // A host without rpm-ostree, too.
  for (const text of [notes, wiki]) expect(text).toContain(`ostree admin switch ${FACTS.remote.name}:${FACTS.ref}`);
  for (const text of texts) expect(text).toContain('ostree admin upgrade');
  expect(wiki).toContain('{{{\ncurl -O https://cloud.example.org/');
  expect(mail).toMatch(
    /^ {2}bash {1}4\.2\.46-33 -> 4\.2\.46-34\n {2}podman {1}5\.1-1 \(new\)\n {2}docker {1}1\.13-2 \(removed\)$/m,
  );
});

it('a host takes remote and key out of the release package where there is one', async () => {
  const file = 'centos-release-atomic-7-3.noarch.rpm';
  const facts = { ...FACTS, remotePackage: { file, url: `https://mirror.example.org/atomic/rpms/release/${file}` } };
  for (const name of ['notes.md', 'wiki'] as const) {
    expect(await renderRelease(name, FACTS, undefined)).toContain('ostree remote add --gpg-import=key.asc');
    const text = await renderRelease(name, facts, undefined);
    expect(text).not.toContain('ostree remote add');
    expect(text).toContain(`-O ${facts.remotePackage.url}\n`);
    expect(text).toMatch(/--checksig centos-release-atomic-7-3\.noarch\.rpm\n *rpm2cpio centos-release-atomic-7-3/);
  }
});

it('a first release without images, packages or issues reads well', async () => {
  const first = {
    ...FACTS,
    previous: '',
    packages: [],
    images: [],
    knownIssues: '',
    reason: '',
    upstream: '',
  } as const;
  for (const name of RELEASE_TEXTS) {
    const text = await renderRelease(name, first, undefined);
    expect(text).toContain('This is the first release.');
    expect(text).not.toMatch(/since|undefined|\n\n\n/);
  }
});

it('a hostile package name is text in all of them', async () => {
  const name = 'a|b`c](javascript:x)<img src=x>\n# Heading\r\nBcc: all@example.org\u202e';
  const hostile = { ...FACTS, packages: [{ name, from: '', to: '||1' }] };
  const [notes = '', wiki = '', mail = ''] = await Promise.all(
    RELEASE_TEXTS.map((text) => renderRelease(text, hostile, undefined)),
  );
  for (const text of [notes, wiki, mail]) {
    expect(text).not.toMatch(/^# Heading|^Bcc:/m);
    expect(text).not.toContain('\u202e');
  }
  expect(notes).toContain('a\\|b\\`c\\](javascript:x)\\<img src=x\\>');
  expect(wiki).toContain("||`a|b'c](javascript:x)<img src=x>");
});

it('templates of the project come before those that come along; a fault names file and line', async () => {
  const own = join(temporaryFolder(), 'own');
  await mkdir(own);
  await writeFile(join(own, 'notes.md.hbs'), 'Ours: {{version}}\n');
  expect(await renderRelease('notes.md', FACTS, own)).toBe('Ours: 20261121_03\n');
  expect(await renderRelease('wiki', FACTS, own)).toContain('= CentOS Atomic Host');
  await writeFile(join(own, 'notes.md.hbs'), 'fine\n{{versoin}}\n');
  await expect(renderRelease('notes.md', FACTS, own)).rejects.toMatchObject({
    code: 'config',
    message: expect.stringContaining('"versoin"'),
    place: { file: join(own, 'notes.md.hbs'), line: 2 },
  });
});

it('the same announcement is the same message, byte for byte', async () => {
  const announcement = {
    mail: { from: 'sig@example.org', to: ['announce@example.org', 'devel@example.org'] },
    subject: 'CentOS Atomic Host 20261121_03 released',
    text: await renderRelease('announcement.txt', FACTS, undefined),
    messageId: '<20261121_03.release@example.org>',
    date: new Date('2026-11-21T12:00:00Z'),
  };
  const [one, two] = [await messageFile(announcement), await messageFile(announcement)];
  expect(one.equals(two)).toBe(true);
  const text = one.toString();
  expect(text).toMatch(/^To: announce@example\.org, devel@example\.org$/m);
  expect(text).toMatch(/^Message-ID: <20261121_03\.release@example\.org>$/m);
  expect(text).toMatch(/^Date: Sat, 21 Nov 2026 12:00:00 \+0000$/m);
});
