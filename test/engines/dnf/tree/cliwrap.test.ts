import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { wrapPrograms } from '../../../../src/engines/dnf/tree/cliwrap.ts';
import { readTreefile } from '../../../../src/treefile/read.ts';
import { temporaryFolder } from '../../../support/tmp.ts';

async function wrapped(keys: string, files: readonly string[]): Promise<string> {
  const dir = temporaryFolder();
  for (const path of files) {
    mkdirSync(dirname(join(dir, 'root', path)), { recursive: true });
    writeFileSync(join(dir, 'root', path), path.endsWith('.conf') ? 'layout=ostree\n' : `this is ${path}\n`);
  }
  writeFileSync(join(dir, 'tree.yaml'), `ref: a/b\npackages: [a]\nrepos: [x]\n${keys}\n`);
  await wrapPrograms(join(dir, 'root'), await readTreefile(join(dir, 'tree.yaml'), { basearch: 'x86_64' }));
  return join(dir, 'root');
}

it('puts rpm-ostree before the programs that are there, and before yum and dnf always', async () => {
  const root = await wrapped('cliwrap: true', [
    'usr/bin/rpm-ostree',
    'usr/bin/rpm',
    'usr/bin/kernel-install',
    'usr/lib/kernel/install.conf',
  ]);
  expect(readFileSync(join(root, 'usr/bin/rpm'), 'utf8')).toMatch(
    /^#!\/bin\/sh\n.*\nexec \/usr\/bin\/rpm-ostree cliwrap \$0 "\$@"\n$/,
  );
  expect(statSync(join(root, 'usr/bin/rpm')).mode & 0o777).toBe(0o755);
  expect(readFileSync(join(root, 'usr/libexec/rpm-ostree/wrapped/rpm'), 'utf8')).toBe('this is usr/bin/rpm\n');
  for (const name of ['yum', 'dnf']) expect(existsSync(join(root, 'usr/bin', name))).toBe(true);
  expect(existsSync(join(root, 'usr/bin/dracut'))).toBe(false);
  expect(readFileSync(join(root, 'usr/bin/kernel-install'), 'utf8')).toBe('this is usr/bin/kernel-install\n');
});

it('wraps only what cliwrap-binaries names, and refuses what nobody would answer', async () => {
  const root = await wrapped('cliwrap-binaries: [kernel-install]', [
    'usr/bin/rpm-ostree',
    'usr/bin/rpm',
    'usr/bin/kernel-install',
  ]);
  expect(readFileSync(join(root, 'usr/bin/kernel-install'), 'utf8')).toContain('cliwrap');
  expect(readFileSync(join(root, 'usr/bin/rpm'), 'utf8')).toBe('this is usr/bin/rpm\n');
  await expect(wrapped('cliwrap: true', ['usr/bin/rpm'])).rejects.toMatchObject({
    code: 'compose',
    place: { line: 4 },
  });
  await expect(wrapped('cliwrap-binaries: [ls]', ['usr/bin/rpm-ostree'])).rejects.toMatchObject({
    message: expect.stringContaining('ls'),
  });
});
