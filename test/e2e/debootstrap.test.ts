import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { serveFolder } from '../../src/lab/webserver.ts';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { pulled, runCli } from '../support/world.ts';

const EXAMPLE = new URL('../../examples/debootstrap/', import.meta.url).pathname;

test('the debootstrap example: a tree of Debian packages, unchanged while the mirror is, rebuilt equal, pulled', async () => {
  const dir = temporaryFolder();
  const project = join(dir, 'project');
  await cp(EXAMPLE, project, { recursive: true });
  await mkdir(join(project, 'published'));
  const server = await serveFolder({ root: join(project, 'published') });
  onTestFinished(() => server.stop());
  const config = join(project, 'atomic-nightly.yaml');
  const text = (await readFile(config, 'utf8')).replace('http://localhost:8080', server.url);
  const release =
    '  release: {promotes-from: nightly, ref: debian-tree/x86_64/release, seed: {allow-new: true}, targets: [here]}\n';
  await writeFile(config, text + release);
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
