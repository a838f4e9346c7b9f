import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { inParallel } from '../../src/base/parallel.ts';

it('has no more under way than asked, and takes items only as they are needed', async () => {
  let [taken, ended, most] = [0, 0, 0];
  function* items(): Generator<number> {
    for (; taken < 1000; taken += 1) {
      most = Math.max(most, taken + 1 - ended);
      yield taken;
    }
  }
  await inParallel(items(), { atATime: 7 }, async () => {
    await pause(0);
    ended += 1;
  });
  expect(ended).toBe(1000);
  expect(most).toBe(7);
});

it('stops at the first failure, tells the others, and throws it when they have ended', async () => {
  const begun: number[] = [];
  let told = 0;
  const working = inParallel([0, 1, 2, 3, 4, 5, 6], { atATime: 3 }, async (item, signal) => {
    begun.push(item);
    if (item === 1) throw new Error('the first');
    await pause(20);
    if (signal.aborted) told += 1;
    throw new Error('a later one');
  });
  await expect(working).rejects.toThrow('the first');
  expect(begun).toEqual([0, 1, 2]);
  expect(told).toBe(2);
});

it('stops when it is aborted, with the reason', async () => {
  const stopping = new AbortController();
  let begun = 0;
  const working = inParallel(Array(100).keys(), { atATime: 2, signal: stopping.signal }, async () => {
    begun += 1;
    if (begun === 10) stopping.abort(new Error('stopped'));
    await pause(1);
  });
  await expect(working).rejects.toThrow('stopped');
  expect(begun).toBe(10);
});
