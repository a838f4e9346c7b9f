import { existsSync } from 'node:fs';
import { chmod, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { copiedFiles } from '../../src/treefile/copied-files.ts';
import { copyTreefile } from '../../src/treefile/copy.ts';
import { readTreefile } from '../../src/treefile/read.ts';
import { packTreefile } from '../../src/treefile/treefile-archive.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import { writeFiles } from './files.ts';

const x86 = { basearch: 'x86_64' };

async function copied(folder: string) {
  const treefile = await readTreefile(join(folder, 'host/host.yaml'), x86);
  const copy = join(temporaryFolder(), 'copy');
  return { copy, files: await copiedFiles(copy, await copyTreefile(treefile, [], copy), 'x86_64') };
}

const TREEFILE = {
  'host/host.yaml': { ref: 'x', include: '../common/base.yaml', 'add-files': [['motd', '/usr/motd']] },
  'host/motd': 'hello',
  'common/base.yaml': { packages: ['a'] },
};

test('I10: equal files give equal bytes, whenever they were written; what is unpacked reads as the treefile did', async () => {
  const dir = temporaryFolder();
  const task = testTask(dir);
  const folder = await writeFiles(TREEFILE);
  await chmod(join(folder, 'host/motd'), 0o640);
  const { copy, files } = await copied(folder);
  expect(files.files.map(({ path }) => path)).toEqual(['common/base.yaml', 'host/host.yaml', 'host/motd']);
  expect(await packTreefile(files, join(dir, 'a.tar.gz'), task)).toBeUndefined();
  await utimes(join(copy, 'host/motd'), 1, 1);
  expect(await packTreefile(files, join(dir, 'b.tar.gz'), task)).toBeUndefined();
  expect(await readFile(join(dir, 'b.tar.gz'))).toEqual(await readFile(join(dir, 'a.tar.gz')));
  await run('tar', ['-xzf', join(dir, 'a.tar.gz'), '-C', dir]);
  expect((await readTreefile(join(dir, 'host/host.yaml'), x86)).digest).toBe(files.digest);
});

test('I11: passwords, private keys and files of this machine are published with no treefile', async () => {
  const dir = temporaryFolder();
  const task = testTask(dir);
  const archive = join(dir, 'treefile.tar.gz');
  const folder = await writeFiles({ ...TREEFILE, 'host/r.repo': '[r]\nbaseurl=https://example.org/\n' });
  const { copy, files } = await copied(folder);
  const secrets = {
    'a password in host/r.repo:2': '[r]\npassword = hunter2222\n',
    'a password in host/r.repo:3': '[r]\n\nproxy_password=hunter2222\n',
    'a URL with a password in host/r.repo:2': '[r]\nbaseurl=https://joe:hunter2222@example.org/\n',
    'a private key in host/r.repo:1': '-----BEGIN RSA PRIVATE KEY-----\n',
    'the hash of a password in host/r.repo:2':
      'bin:*:1::::::\nroot:$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/:19000::::::\n',
    'the hash of a password in host/r.repo:1':
      'rootpw --iscrypted $y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC\n',
    'a login in host/r.repo:1': 'curl -H "Authorization: Bearer abcdefgh12345678" https://example.org/\n',
    'a token in host/r.repo:2': 'x\nTOKEN=ghp_0123456789abcdefghijABCDEFGHIJ012345\n',
    'a key of S3 in host/r.repo:1': 'aws_secret_access_key = abc\n',
  };
  for (const [why, text] of Object.entries(secrets)) {
    await writeFile(join(copy, 'host/r.repo'), text);
    expect(await packTreefile(files, archive, task)).toBe(`has ${why}`);
    expect(existsSync(archive)).toBe(false);
  }
  // All of it in one message.
  await writeFile(join(copy, 'host/r.repo'), '[r]\npassword=hunter2222\n[s]\npassword=hunter3333\n');
  expect(await packTreefile(files, archive, task)).toBe(
    'has a password in host/r.repo:2; it has a password in host/r.repo:4',
  );
  for (const fine of ['#password=\npassword=\nPASSWORD=$1\n', 'case $x in $1$) ;; esac\nhttps://$user:$pass@h/\n']) {
    await writeFile(join(copy, 'host/r.repo'), fine);
    expect(await packTreefile(files, archive, task)).toBeUndefined();
    await rm(archive);
  }
  await rm(copy, { recursive: true });

  const outside = join(await writeFiles({ motd: 'hello' }), 'motd');
  await writeFiles({ 'host/host.yaml': { ref: 'x', packages: [], 'add-files': [[outside, '/usr/motd']] } }, folder);
  const absolute = await copied(folder);
  expect(absolute.files.elsewhere).toEqual([outside]);
  // Names of the treefile's own files lead nowhere on this machine.
  expect(absolute.files.files.map(({ path }) => path)).toEqual(['host.yaml', 'r.repo']);
  expect(await packTreefile(absolute.files, archive, task)).toMatch(
    new RegExp(`^names ${outside} by its absolute path in host\\.yaml:\\d+, and nobody else has that file$`),
  );
  expect(existsSync(archive)).toBe(false);
});
