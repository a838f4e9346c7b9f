import { expect, test } from 'vitest';
import { takeSnapshot } from '../../../src/service/live/live-context.ts';
import { openWork } from '../../../src/service/live/work-folder.ts';
import { makePageBuilds } from '../../support/page-builds.ts';
import { temporaryFolder } from '../../support/tmp.ts';

/** Turns that others had while some work was done. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let [turns, going] = [0, true];
  const next = (): void => {
    turns += 1;
    if (going) setImmediate(next);
  };
  setImmediate(next);
  await work();
  going = false;
  return turns;
}

test('I15: others have their turn between one way through all builds and the next', async () => {
  const { config } = await makePageBuilds(temporaryFolder(), 3);
  const read = openWork(config.work);
  const all = await read.all();
  const tags = await read.tags();
  // Nothing has to be waited for, so whatever turns there are were given.
  const work = { ...read, all: async () => all, tags: async () => tags };
  const context = {
    ...{ config, work, nextRuns: () => [], content: () => undefined },
    ...{ holder: async () => undefined, logo: async () => undefined, standingProblems: async () => [] },
  };
  expect(await turnsDuring(() => takeSnapshot(context))).toBeGreaterThanOrEqual(4);
  expect(await turnsDuring(() => takeSnapshot(context))).toBeLessThan(2);
});
