import { expect, it } from 'vitest';
import { raceWithDnf } from '../../support/rpms-race.ts';
import { rpmsMaterial } from '../../support/rpms-world.ts';

const material = rpmsMaterial();

it('C5: a dnf that installs in a loop never fails while packages are added, removed, replaced and retired', async () => {
  const { installed, published, failures } = await raceWithDnf(material(), 4);
  expect(failures).toEqual([]);
  expect(installed).toBeGreaterThan(3);
  expect(published).toBeGreaterThan(3);
});
