import { expect } from 'vitest';
import type { World } from './world.ts';

/**
 * Silence after success (I14): reconcile and publish find nothing to do on any target, and verify no fault.
 * @param verified targets to verify: all, unless some are to get their first release
 */
export async function expectSilence(
  world: Pick<World, 'nightly'>,
  verified: readonly string[] | undefined = undefined,
): Promise<void> {
  const reconciled = await world.nightly('publish', '--reconcile', '--dry-run', '--json');
  const { targets } = JSON.parse(reconciled.stdout);
  for (const plan of targets) {
    const { target, phases, remove, sign, log, flips, index, unrepairable } = plan;
    const due = phases.flatMap(({ files }: { files: object[] }) => files);
    expect({ target, due, remove, sign, log, flips, index, unrepairable }).toEqual({
      ...{ target, due: [], remove: [], sign: [], log: [], flips: [], index: [], unrepairable: [] },
    });
  }
  expect(reconciled.code).toBe(0);
  const planned = JSON.parse((await world.nightly('publish', '--dry-run', '--json')).stdout);
  for (const plan of planned.targets) expect(plan).toMatchObject({ phases: [], files: 0 });
  for (const names of verified?.map((name) => [name]) ?? [[]]) {
    const result = await world.nightly('verify', ...names);
    expect(result, result.stdout + result.stderr).toMatchObject({ code: 0 });
  }
}
