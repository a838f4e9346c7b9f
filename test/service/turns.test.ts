import { setImmediate as round } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createTurns } from '../../src/service/http/turns.ts';

it('begins one piece of work each time round the loop', async () => {
  const turns = createTurns();
  const begun: number[] = [];
  for (const piece of [1, 2, 3]) turns.wait('a', () => begun.push(piece));
  expect(begun).toEqual([]);
  for (let rounds = 1; begun.length < 3; rounds += 1) {
    await round();
    expect(begun.length).toBeLessThanOrEqual(rounds);
  }
  expect(begun).toEqual([1, 2, 3]);
});

it('takes those who wait in turn, and as many of them each time round as it is told', async () => {
  const turns = createTurns(2);
  const begun: string[] = [];
  for (const [who, piece] of ['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'b2'].map(
    (name) => [name.charAt(0), name] as const,
  )) {
    turns.wait(who, () => begun.push(piece));
  }
  await round();
  expect(begun).toEqual(['a1', 'b1']);
  // Who asks anew is behind all that wait.
  turns.wait('b', () => begun.push('b3'));
  while (begun.length < 8) await round();
  expect(begun).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'b3', 'a4']);
});

it('goes on where work asks for more work', async () => {
  const turns = createTurns();
  let rounds = 0;
  await new Promise<void>((settle) => {
    const again = (): void => {
      rounds += 1;
      if (rounds === 3) settle();
      else turns.wait('a', again);
    };
    turns.wait('a', again);
  });
  expect(rounds).toBe(3);
});

it('lets newcomers in before it goes on, and goes on even if they keep coming', async () => {
  const turns = createTurns();
  let begun = false;
  turns.wait('a', () => {
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

  turns.wait('a', () => {
    begun = false;
  });
  while (begun) await round();
});
