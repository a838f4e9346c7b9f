import { expect, test } from 'vitest';
import { findBuild, listBuildIds, reserveBuildId } from '../../src/build/build-store.ts';
import { temporaryFolder } from '../support/tmp.ts';

const day = new Date('2026-11-21T03:00:00Z');

test('I3: ids reserved at the same moment differ', async () => {
  const folder = temporaryFolder();
  const ids = await Promise.all(Array.from({ length: 20 }, () => reserveBuildId(folder, day, [])));
  expect(new Set(ids).size).toBe(20);
  expect(await listBuildIds(folder)).toEqual(ids.toSorted().toReversed());
});

test('I3: an id the target has is not given out again, though the work folder is lost', async () => {
  expect(await reserveBuildId(temporaryFolder(), day, ['20261121_01', '20261121_02'])).toBe('20261121_03');
});

test('I3: a clock set back gives an unused id of that earlier day', async () => {
  const folder = temporaryFolder();
  await reserveBuildId(folder, day, []);
  const yesterday = new Date('2026-11-20T03:00:00Z');
  expect(await reserveBuildId(folder, yesterday, [])).toBe('20261120_01');
  expect(await reserveBuildId(folder, yesterday, [])).toBe('20261120_02');
});

test('a build that is not there, and a text that is not an id, are different errors', async () => {
  const folder = temporaryFolder();
  await expect(findBuild(folder, '20261121_01')).rejects.toMatchObject({ code: 'not-found' });
  await expect(findBuild(folder, 'yesterday')).rejects.toMatchObject({ code: 'usage' });
});
