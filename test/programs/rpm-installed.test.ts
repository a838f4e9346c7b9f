import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { listInstalled, parseHeaders, readHeaders } from '../../src/programs/rpm-installed.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

/** Builds a package with these lines in its spec, as bytes. */
async function build(dir: string, name: string, lines: Uint8Array): Promise<string> {
  const spec = join(dir, `${name}.spec`);
  const head = `Name: ${name}\nVersion: 1\nRelease: 1\nSummary: x\nBuildArch: noarch\n`;
  await writeFile(spec, Buffer.concat([Buffer.from(head), lines, Buffer.from('\n%description\nx\n%files\n')]));
  const defines = [`_topdir ${dir}`, '_buildhost build.example.org', '_invalid_encoding_terminates_build 0'];
  const options = defines.flatMap((one) => ['--define', one]);
  await run('rpmbuild', ['-bb', ...options, spec], { env: { HOME: dir } });
  return join(dir, `RPMS/noarch/${name}-1-1.noarch.rpm`);
}

test('I12: whatever headers hold is one line of text, shortened, and ends no value and no package before its end', async () => {
  const dir = temporaryFolder();
  const task = testTask(dir);
  const odd = `It's '\\''odd'\\'' "x" \\n \u0007\u001b[31m\u202e 'a' 'b'`;
  const files = [
    await build(dir, 'odd', Buffer.from(`License: ${odd}\nVCS: git+https://example.org/o'd`)),
    await build(
      dir,
      'bytes',
      Buffer.concat([Buffer.from('License: caf'), Buffer.from([0xe9, 0xff]), Buffer.from('x')]),
    ),
    await build(dir, 'huge', Buffer.from(`License: ${'MIT or '.repeat(20_000)}`)),
  ];
  const database = join(dir, 'db');
  await mkdir(database);
  await run('rpm', [
    '--dbpath',
    database,
    '--install',
    '--justdb',
    '--nodeps',
    '--nosignature',
    '--root',
    '/',
    ...files,
  ]);
  const read = await readHeaders(files, dir, task);
  const installed = await listInstalled(database, dir, task);
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
  expect(installed.toSorted(byName)).toEqual(read.toSorted(byName));

  const [first, second, third] = read;
  expect(first).toMatchObject({
    name: 'odd',
    epoch: '0',
    arch: 'noarch',
    header: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    source: 'odd-1-1.src.rpm',
    buildHost: 'build.example.org',
    licence: `It's '\\''odd'\\'' "x" \\n  [31m  'a' 'b'`,
    vcs: "git+https://example.org/o'd",
  });
  expect(first).not.toHaveProperty('key');
  expect(second?.licence).toBe('caf\ufffd\ufffdx');
  expect(second).not.toHaveProperty('vcs');
  expect(third?.licence).toMatch(/^MIT or .*…$/);
  expect(third?.licence?.length).toBe(2001);
  const { stdout } = await run('rpm', ['-qp', '--nosignature', '--qf', '%{SHA256HEADER}', files[0] ?? '']);
  expect(first?.header).toBe(`sha256:${stdout}`);
});

test('what is not of that form is refused, not guessed at', () => {
  expect(() => parseHeaders("'0' 'a' 'b'\n")).toThrow('cannot be read');
  expect(() => parseHeaders("'0' 'a")).toThrow('cannot be read');
  expect(parseHeaders('')).toEqual([]);
});
