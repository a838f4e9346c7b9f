import { setImmediate as round } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createTurns } from '../../src/service/http/turns.ts';

it('begins one piece of work each time round the loop', async () => {
  const turns = createTurns();
  const begun: number[] = [];
  for (const piece of [1, 2, 3]) turns.wait(() => begun.push(piece));
  expect(begun).toEqual([]);
  for (let rounds = 1; begun.length < 3; rounds += 1) {
    await round();
    expect(begun.length).toBeLessThanOrEqual(rounds);
  }
  expect(begun).toEqual([1, 2, 3]);
});

it('lets newcomers in before it goes on, and goes on even if they keep coming', async () => {
  const turns = createTurns();
  let begun = false;
  turns.wait(() => {
    begun = true;
  });
  const since = performance.now();
  let rounds = 0;
  while (!begun) {
    turns.arrived();
    await round();
    rounds += 1;
    if (performance.now() - since < 40) expect(begun).toBe(false);
  }
  expect(rounds).toBeGreaterThan(1);

  turns.wait(() => {
    begun = false;
  });
  while (begun) await round();
});
