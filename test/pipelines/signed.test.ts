import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { everyCase } from '../support/every-case.ts';
import { makeSigningKey } from '../support/signing-key.ts';
import { expectSilence } from '../support/silence.ts';
import { strictPull } from '../support/strict-client.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records } from '../support/world.ts';

it('I2: a signing stream publishes signed commits, a signed summary, and deltas that apply', async () => {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  await mkdir(join(dir, 'world'));
  const world = await makeWorld(join(dir, 'world'), {
    stream: [`signing: {type: gpg-agent, home: ${key.home}, key: ${key.key}}`, 'deltas: [parent, scratch]'],
  });
  onTestFinished(() => world.stop());
  expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
  await world.distro.bump('app');
  const second = await world.nightly('nightly');
  expect(second.stderr).toMatch(/delta from the parent: .* instead of \d+ objects/);
  expect(second.code).toBe(0);

  const [first, last] = await records(world);
  expect(await strictPull(world, 'objects', key.publicKeyFile, '--disable-static-deltas')).toBe(
    last?.['ostree-commit'],
  );
  // From scratch, then from the parent: only deltas, nothing else is taken.
  expect(await strictPull(world, 'deltas', key.publicKeyFile, '--require-static-deltas')).toBe(last?.['ostree-commit']);
  const meta = JSON.parse(
    await readFile(join(world.published, `builds/${last?.['buildid']}/x86_64/meta.json`), 'utf8'),
  );
  const deltas = meta['atomic-nightly.deltas'];
  expect(deltas.map(({ from }: { from?: string }) => from)).toEqual([first?.['ostree-commit'], undefined]);
  for (const delta of deltas) expect(delta).toMatchObject({ to: last?.['ostree-commit'], seconds: expect.any(Number) });
  const show = await world.nightly('show', String(last?.['buildid']));
  expect(show.stdout).toMatch(/Delta from [0-9a-f]{12}: .* instead of \d+ objects[\s\S]*Delta from scratch: /);
  expect(deltas[0]['object-bytes']).toBeLessThan(deltas[1]['object-bytes']);

  // Lost and damaged files come back, signatures too.
  const objects = (await run('find', ['repo/objects', '-name', '*.filez'], { cwd: world.published })).stdout.split(
    '\n',
  );
  await rm(join(world.published, 'repo/summary.sig'));
  await rm(join(world.published, objects[0] ?? ''));
  const plan = await world.nightly('publish', '--reconcile', '--dry-run');
  expect(plan).toMatchObject({ code: 1, stdout: expect.stringContaining('send objects: 1 missing') });
  expect((await world.nightly('verify')).code).toBe(1);
  expect(await world.nightly('publish', '--reconcile')).toMatchObject({ code: 0 });
  expect(await world.nightly('publish', '--reconcile')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('nothing to repair'),
  });
  const verified = await world.nightly('verify', '--images');
  expect(verified.stdout).toMatch(/all \d+ checks passed/);
  expect(verified.code).toBe(0);
  expect(await strictPull(world, 'repaired', key.publicKeyFile)).toBe(last?.['ostree-commit']);
  const wrong = await world.nightly('publish', String(last?.['buildid']), '--reconcile');
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('takes no BUILD') });

  // Somebody with another key gets nothing.
  const other = await makeSigningKey(join(dir, 'other'));
  await expect(strictPull(world, 'stranger', other.publicKeyFile)).rejects.toThrow(/signature|GPG/i);

  // A second stream of the target that is not published yet is no fault; once it is there, both are good.
  const text = await readFile(world.config, 'utf8');
  const block = text.slice(text.indexOf('  nightly:\n'));
  const twin = block.replace('nightly:', 'twin:').replace('treefile:', 'ref: mini/x86_64/twin\n    treefile:');
  await writeFile(world.config, text + twin);
  expect(await world.nightly('verify')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/ok +ref mini\/x86_64\/twin: nothing published yet of twin/),
  });
  expect(await world.nightly('nightly', 'twin')).toMatchObject({ code: 0 });
  await expectSilence(world);

  // A stream that no longer signs is told before anything is composed, and what is published stays as it is.
  await writeFile(world.config, text.replace(/^ +signing: .*\n/m, ''));
  const unsigned = await world.nightly('nightly', '--force');
  expect(unsigned.code).toBe(2);
  expect(unsigned.stderr).toMatch(/✗ seed .*: The repository on target "buildlogs" has a signed summary/);
  expect(unsigned.stderr).not.toContain('resolve');
  expect(await strictPull(world, 'untouched', key.publicKeyFile)).toBe(last?.['ostree-commit']);

  // A ref that was there and is lost is a fault, also for a machine whose work folder knows nothing.
  await writeFile(world.config, text + twin);
  await run('ostree', ['refs', '--delete', 'mini/x86_64/twin', `--repo=${world.published}/repo`]);
  await run('ostree', ['summary', '--update', `--repo=${world.published}/repo`]);
  await run('rm', ['-rf', join(dir, 'world/work')]);
  expect((await world.nightly('verify')).stdout).toMatch(/not ok +ref mini\/x86_64\/twin: .* has no such ref/);
});

it.runIf(everyCase)(
  'a target with a retention is pruned at the end of a night; a dry run of publish says what would go',
  async () => {
    const dir = temporaryFolder();
    await mkdir(join(dir, 'world'));
    const world = await makeWorld(join(dir, 'world'), {
      target: (path, url) =>
        `{type: directory, path: ${path}, url: '${url}', retention: {refs: {'mini/*': {depth: 1}}, grace: 1m}}`,
    });
    onTestFinished(() => world.stop());
    expect(await world.nightly('nightly')).toMatchObject({ code: 0 });
    await world.distro.bump('app');
    const second = await world.nightly('nightly');
    expect(second.stderr).toContain('nothing to delete from buildlogs yet');
    expect(second.code).toBe(0);
    const retired = JSON.parse(await readFile(join(world.published, 'builds/retired.json'), 'utf8'));
    const [first] = await records(world);
    expect(Object.keys(retired.commits)).toEqual([first?.['ostree-commit']]);
    const dry = JSON.parse((await world.nightly('publish', '--dry-run', '--json')).stdout);
    expect(dry.targets[0]).toMatchObject({ deletions: { files: 0, bytes: 0 } });
    const prune = await world.nightly('prune', '--dry-run');
    expect(prune.stdout).toMatch(/given up, goes after \d{4}-/);
  },
);
