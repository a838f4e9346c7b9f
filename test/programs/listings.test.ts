import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseUris } from '../../src/programs/apt.ts';
import { refusedIn } from '../../src/programs/createrepo.ts';
import { run } from '../../src/programs/exec.ts';
import { listFat, makeFat, parseMdir } from '../../src/programs/mtools.ts';
import { filesOfIso, parseAppended, parseFind } from '../../src/programs/xorriso.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

const refused = { code: 'image', message: expect.stringMatching(/lists files in words that are not known/) };

test('I9: a name with a line break is not lost in what mdir lists', async () => {
  const dir = temporaryFolder();
  const task = testTask(dir);
  const fat = { file: join(dir, 'fat.img'), offsetBytes: 0 };
  await (await open(fat.file, 'w')).close();
  await run('truncate', ['-s', '8M', fat.file]);
  await makeFat({ ...fat, sizeBytes: 8 << 20, label: 'X', volumeId: '01234567', bits: 16 }, task);
  await writeFile(join(dir, 'a long random-seed'), 'x');
  const env = { MTOOLSRC: '/dev/null', MTOOLS_SKIP_CHECK: '1' };
  await run('mmd', ['-i', fat.file, "::/d'ir"], { env });
  await run('mcopy', ['-i', fat.file, join(dir, 'a long random-seed'), "::/d'ir/a long random-seed"], { env });
  // No program of ours writes such a name; one that others made is on the disk as any other.
  const bytes = await readFile(fat.file);
  const at = bytes.indexOf(Buffer.from('a lon', 'utf16le'));
  bytes.write('\n', at + 2, 'utf16le');
  await writeFile(fat.file, bytes);
  expect(await listFat(fat, task)).toEqual(["/d'ir/a\nlong random-seed"]);
  expect(parseMdir('')).toEqual([]);
  for (const text of ['x', 'x\n::/a\n', '::/a'])
    expect(() => parseMdir(text)).toThrow(expect.objectContaining(refused));
});

test('a name with a line break or a quote is not lost in what xorriso finds', async () => {
  const dir = temporaryFolder();
  const task = testTask(dir);
  await mkdir(join(dir, "in/d'ir"), { recursive: true });
  const names = ["/d'ir/x", '/a\nb', "/it's", "/'\n'", '/c\td'];
  for (const name of names) await writeFile(join(dir, 'in', name), 'x');
  await run('xorriso', ['-as', 'mkisofs', '-quiet', '-r', '-o', join(dir, 'x.iso'), join(dir, 'in')], { task });
  expect((await filesOfIso(join(dir, 'x.iso'), task)).toSorted()).toEqual(names.toSorted());
  for (const text of ['x', "'/a", "'/a'", "'/a'x\n"])
    expect(() => parseFind(text)).toThrow(expect.objectContaining(refused));
});

test('a partition that xorriso says is behind the files of an ISO is within it', () => {
  const line = (range: string) => `-append_partition 2 0xef --interval:local_fs:${range}::'x.iso'\n`;
  expect(parseAppended(line('4d-7d'), 1 << 20)).toEqual({ number: 2, type: '0xef', start: 2048, bytes: 2048 });
  expect(parseAppended(line('1s-1s'), 1 << 20)).toMatchObject({ start: 2048, bytes: 2048 });
  for (const range of ['7d-4d', '4d-99999999999999999999d', '0s-512s']) {
    expect(() => parseAppended(line(range), 1 << 20)).toThrow(expect.objectContaining(refused));
  }
});

test('what createrepo_c refuses and what apt would fetch is read whole', () => {
  const printed =
    'Directory walk started\nC_CREATEREPOLIB: Warning: Cannot read package: /r/b.rpm: rpmReadPackageFile() error\n' +
    'C_CREATEREPOLIB: Critical: Stat() on /r/a.rpm: No such file or directory\n';
  expect(refusedIn(printed, '/r/')).toEqual(['a.rpm: No such file or directory', 'b.rpm: rpmReadPackageFile() error']);
  expect(refusedIn('', '/r')).toEqual([expect.stringMatching(/names none/)]);
  const uri = "'http://x/pool/libc6_1%3a2.36-9+deb12u7_amd64.deb' libc6_1%3a2.36-9+deb12u7_amd64.deb 12 SHA256:ab";
  expect(parseUris(`Reading package lists...\n${uri}\n`)).toEqual([
    expect.objectContaining({
      name: 'libc6',
      version: '1:2.36-9+deb12u7',
      file: expect.stringContaining('%3a'),
      size: 12,
    }),
  ]);
  for (const file of ['../../x_1_amd64.deb', 'x_%_amd64.deb', 'x_%2f_amd64.deb', 'x', 'x_1_/y.deb']) {
    expect(() => parseUris(`'http://x/y' ${file} 1 SHA256:a\n`)).toThrow(/^apt-get lists a package in words/);
  }
});
