import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { readTreefileArchive } from '../../src/published/treefile-members.ts';
import { packTreefile } from '../../src/treefile/treefile-archive.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

const read = async (file: string) => readTreefileArchive(await readFile(file), 'treefile.tar.gz');

/** Packs a folder as somebody might who is not us. */
async function packed(make: (folder: string) => void, ...options: readonly string[]): Promise<string> {
  const dir = temporaryFolder();
  const folder = join(dir, 'in');
  mkdirSync(folder);
  make(folder);
  const archive = join(dir, 'treefile.tar.gz');
  await run('tar', ['--format=gnu', '-czf', archive, '-C', folder, ...options]);
  return archive;
}

describe("a stranger's treefile", () => {
  it('has the files that were packed, with modes and long names', async () => {
    const dir = temporaryFolder();
    const long = `${'deep/'.repeat(30)}script.sh`;
    const files = ['host.yaml', long].map((path) => ({ path, file: join(dir, 'in', path) }));
    for (const { path, file } of files) {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `content of ${path}`);
    }
    chmodSync(join(dir, 'in', long), 0o755);
    const archive = join(dir, 'treefile.tar.gz');
    await packTreefile({ digest: '', files, elsewhere: [] }, archive, testTask(dir));
    const members = await read(archive);
    expect(members.map(({ path, mode, content }) => ({ path, mode, content: String(content) }))).toEqual([
      { path: 'host.yaml', mode: 0o644, content: 'content of host.yaml' },
      { path: long, mode: 0o755, content: `content of ${long}` },
    ]);
  });

  const file =
    (name: string, mode = 0o644) =>
    (folder: string) => {
      writeFileSync(join(folder, name), 'x');
      chmodSync(join(folder, name), mode);
    };

  it.each([
    ['a link', (folder: string) => symlinkSync('/etc/shadow', join(folder, 'a')), ['a'], /"a" is no regular file/],
    ['a folder', (folder: string) => mkdirSync(join(folder, 'a')), ['a'], /"a\/?" is no regular file/],
    ['a path that leads out', file('a'), ['--transform=s,^,../../,', '-P', 'a'], /"\.\.\/\.\.\/a" leads out/],
    ['an absolute path', file('a'), ['--transform=s,^,/etc/,', '-P', 'a'], /"\/etc\/a" leads out/],
    ['a file twice', file('a'), ['a', './a', '--transform=s,^\\./,,'], /"a" (stands twice|is no regular file)/],
    ['a file that root would run', file('a', 0o4755), ['a'], /"a" has the mode 4755/],
  ])('I12: is refused with %s', async (_, make, options, message) => {
    await expect(read(await packed(make, ...options))).rejects.toThrow(message);
  });

  it('I12: is refused where a file is in the place of a folder', async () => {
    const archive = await packed(
      (folder) => {
        file('a')(folder);
        file('b')(folder);
      },
      '--transform=s,^b$,a/b,',
      'a',
      'b',
    );
    await expect(read(archive)).rejects.toThrow(/"a\/b" stands twice/);
  });

  it('is refused when it is cut short, or unpacks without an end', async () => {
    const whole = await readFile(await packed(file('a'), 'a'));
    await expect(readTreefileArchive(whole.subarray(0, 40), 'x')).rejects.toThrow(/x is damaged: it does not unpack/);
    await expect(readTreefileArchive(gzipSync(Buffer.alloc(65 * 1024 * 1024)), 'x')).rejects.toThrow(/does not unpack/);
    await expect(readTreefileArchive(gzipSync(Buffer.alloc(0)), 'x')).rejects.toThrow(/cut short/);
  });
});
