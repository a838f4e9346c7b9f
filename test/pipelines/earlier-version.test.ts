import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, pulled, records } from '../support/world.ts';

/**
 * A work folder and a target as commit 8c70152 left them: one complete nightly build, and a second one that was killed
 * (SIGKILL) when its tree had been verified and neither records nor index were sent. Without caches.
 */
const EARLIER = fileURLToPath(new URL('../fixtures/earlier-version.tar.xz', import.meta.url));
const FIRST = '20261129_01';
const KILLED = '20261129_02';

test('I4: a build that an earlier version began is continued, and later builds follow what it published', async () => {
  const world = await makeWorld(temporaryFolder());
  onTestFinished(() => world.stop());
  await run('tar', ['-xJf', EARLIER, '-C', world.dir]);
  await world.distro.bump('lib');

  const before = await world.nightly('list');
  expect(before.code).toBe(0);
  expect(before.stdout).toMatch(new RegExp(`^${KILLED} .*interrupted`, 'm'));
  expect(before.stdout).toMatch(new RegExp(`^${FIRST} .*complete`, 'm'));

  const resumed = await world.nightly('resume');
  expect(resumed.stderr).not.toContain('✗');
  expect(resumed.code).toBe(0);
  const [first, second] = await records(world);
  expect(first?.['ostree-commit']).toMatch(/^998050e1653c/);
  expect(second).toMatchObject({
    'atomic-nightly.state': 'complete',
    'atomic-nightly.parent': first?.['ostree-commit'],
  });
  expect(await pulled(world, join(world.dir, 'client'))).toBe(second?.['ostree-commit']);
  const index = JSON.parse(await readFile(join(world.published, 'builds/builds.json'), 'utf8'));
  expect(index.builds.map(({ id }: { id: string }) => id)).toEqual([KILLED, FIRST]);

  expect(await world.nightly('verify')).toMatchObject({ code: 0 });
  // That version changed its record once more after it had published it.
  const repaired = await world.nightly('publish', '--reconcile');
  expect(repaired.code).toBe(0);
  expect(repaired.stdout).toContain('send records: 1 of wrong size');
  expect(await world.nightly('publish', '--reconcile', '--dry-run')).toMatchObject({ code: 0 });

  await world.distro.bump('lib');
  const next = await world.nightly('nightly', '--json');
  expect(next.stderr).not.toContain('✗');
  expect(next.code).toBe(0);
  const { build } = JSON.parse(next.stdout);
  expect((await records(world)).at(-1)?.['atomic-nightly.parent']).toBe(second?.['ostree-commit']);
  expect((await world.nightly('show', build)).stdout).toContain('lib 1.0-2 -> 1.0-3');
});
