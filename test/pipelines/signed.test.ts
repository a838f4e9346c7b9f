import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run } from '../../src/tools/exec.ts';
import { makeSigningKey } from '../support/signing-key.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records, type World } from '../support/world.ts';

/** A client that trusts one key and believes nothing that it did not sign, neither commit nor summary. */
async function strictPull(world: World, name: string, publicKeyFile: string, ...args: string[]): Promise<string> {
  const repo = join(world.dir, name);
  const ostree = (...rest: string[]) => run('ostree', [`--repo=${repo}`, ...rest]);
  await ostree('init', '--mode=bare-user');
  const trust = [`--gpg-import=${publicKeyFile}`, '--set=gpg-verify-summary=true'];
  await ostree('remote', 'add', ...trust, 'origin', `${world.url}/repo`);
  await ostree('pull', ...args, 'origin', 'mini/x86_64/nightly');
  await ostree('fsck', '--quiet');
  return (await ostree('rev-parse', 'origin:mini/x86_64/nightly')).stdout.trim();
}

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
  expect(deltas[0]['object-bytes']).toBeLessThan(deltas[1]['object-bytes']);

  // Somebody with another key gets nothing.
  const other = await makeSigningKey(join(dir, 'other'));
  await expect(strictPull(world, 'stranger', other.publicKeyFile)).rejects.toThrow(/signature|GPG/i);
});
