import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { exampleProject } from '../support/example-project.ts';
import { pulled, runCli } from '../support/world.ts';

test('the debootstrap example: a tree of Debian packages, unchanged while the mirror is, rebuilt equal, pulled', async () => {
  const release =
    '  release: {promotes-from: nightly, ref: debian-tree/x86_64/release, seed: {allow-new: true}, targets: [here]}\n';
  const { dir, project, server } = await exampleProject('debootstrap', release);
  const nightly = (...args: string[]) => runCli(project, args);

  const first = await nightly('nightly', '--json');
  expect(first.stderr).not.toContain('✗');
  const { build, commit } = JSON.parse(first.stdout);
  expect((await nightly('nightly')).code).toBe(10);
  const client = join(dir, 'client');
  expect(await pulled(server, client, { ref: 'debian-tree/x86_64/nightly' })).toBe(commit);
  const ls = (
    await run('ostree', [`--repo=${client}`, 'ls', '-R', commit, '/usr/etc', '/usr/lib/sysimage/dpkg', '/var'])
  ).stdout;
  expect(ls).toContain('/usr/etc/debian_version');
  expect(ls).not.toMatch(/ \/var\//);
  const meta = JSON.parse(await readFile(join(project, 'work/builds', build, 'x86_64/meta.json'), 'utf8'));
  const added = meta.pkgdiff.map(([name]: [string]) => name);
  expect(added).toEqual(expect.arrayContaining(['bash', 'debian-bookworm', 'dpkg']));
  const rebuilt = await nightly('promote', build, '--rebuild', '--json');
  expect(rebuilt.stderr).not.toContain('✗');
});
