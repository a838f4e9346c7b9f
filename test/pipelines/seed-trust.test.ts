import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { makeFileKey } from '../support/openpgp-key.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld } from '../support/world.ts';

const REF = 'mini/x86_64/nightly';

it('I2: a signing stream follows what its key signed or this machine made, whatever else somebody put on the target', async () => {
  const dir = temporaryFolder();
  const key = await makeFileKey(dir);
  await mkdir(join(dir, 'world'));
  const world = await makeWorld(join(dir, 'world'));
  onTestFinished(() => world.stop());
  const repo = join(world.published, 'repo');
  const ostree = async (...args: string[]) => (await run('ostree', [`--repo=${repo}`, ...args])).stdout.trim();
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });

  // Signing begins: the commit before has no signature, but a build of this machine made it.
  const text = await readFile(world.config, 'utf8');
  const signing = `signing: {type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${key.passphrase.file}}`;
  await writeFile(
    world.config,
    text.replace(/^ +smoke-test:.*\n/m, (line) => `${line}    ${signing}\n`),
  );
  const first = await world.nightly('nightly', '--force');
  expect(first, first.stderr).toMatchObject({ code: 0 });
  const good = await ostree('rev-parse', REF);

  // Another machine, that has made nothing yet, follows what is signed.
  await run('mv', [join(world.dir, 'work'), join(world.dir, 'away')]);
  expect(await world.nightly('nightly', '--force', '--dry-run')).toMatchObject({ code: 0 });

  // Somebody who can write to the target puts a commit of their own there.
  const tree = join(dir, 'tree');
  await ostree('checkout', '--user-mode', good, tree);
  await writeFile(join(tree, 'usr/lib/passwd'), 'toor:x:0:0::/root:/bin/sh\n', { flag: 'a' });
  const args = [`--tree=dir=${tree}`, '--owner-uid=0', '--owner-gid=0', `--parent=${good}`];
  const bad = await ostree(
    'commit',
    `--branch=${REF}`,
    '-s',
    'x',
    '--add-metadata-string=version=20200101_01',
    ...args,
  );
  for (const work of ['work', 'away']) {
    await run('rm', ['-rf', join(world.dir, 'work')]);
    if (work === 'away') await run('mv', [join(world.dir, 'away'), join(world.dir, 'work')]);
    // The second time the commit may be in the local repository already.
    for (const _ of [1, 2]) {
      const refused = await world.nightly('nightly', '--force');
      expect(refused, refused.stderr).toMatchObject({ code: 1 });
      expect(refused.stderr).toContain(`The commit ${bad}`);
      expect(refused.stderr).toMatch(
        /no good signature by a key that is trusted here[\s\S]*what to do: .*seed\.gpg-keys/,
      );
    }
  }
  // It names what it cannot account for, and puts the ref back.
  await world.nightly('publish', '--reconcile');
  expect(await ostree('rev-parse', REF)).toBe(good);
  expect(await world.nightly('nightly', '--force')).toMatchObject({ code: 0 });
});
