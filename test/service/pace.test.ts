import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { takeRunLock } from '../../src/run/run-lock.ts';
import { pace } from '../../src/service/http/pace.ts';
import { configureService, endService, startServe } from '../support/service.ts';
import { median } from '../support/statistics.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld } from '../support/world.ts';

test('whoever keeps to the waits uses no more than a share of the time and one burst', () => {
  const costs = fc.array(
    fc.record({ cost: fc.integer({ min: 0, max: 200 }), idle: fc.integer({ min: 0, max: 5000 }) }),
  );
  fc.assert(
    fc.property(costs, (all) => {
      let [used, passed] = [0, 0];
      const wait = pace({ used: () => used, passed: () => passed });
      for (const { cost, idle } of all) {
        passed += idle;
        passed += wait();
        expect(used).toBeLessThanOrEqual(500 + 0.03 * passed + 1e-6);
        used += cost;
        passed += cost;
      }
    }),
  );
});

test('somebody who asks now and then never waits', () => {
  let [used, passed] = [0, 0];
  const wait = pace({ used: () => used, passed: () => passed });
  for (let asked = 0; asked < 100; asked += 1) {
    expect(wait()).toBe(0);
    used += 40;
    passed += 2000;
  }
});

test('a rush of visitors gets its answers from a small share of one processor; a supervisor does not wait', async () => {
  const world = await makeWorld(temporaryFolder());
  onTestFinished(() => world.stop());
  await configureService(world);
  const service = await startServe(world);
  onTestFinished(() => endService(service, world));
  // A run of somebody's on the command line counts, too.
  const lock = await takeRunLock(join(world.dir, 'work'), 'nightly');
  onTestFinished(() => lock.release());

  const answers: number[] = [];
  const end = Date.now() + 8000;
  const visitor = async (): Promise<void> => {
    while (Date.now() < end) {
      const asked = performance.now();
      const response = await fetch(`${service.url}/no/such/page/${answers.length}`);
      await response.text();
      expect(response.status).toBe(404);
      answers.push(performance.now() - asked);
    }
  };
  const before = cpuSeconds(service.pid);
  const visitors = Promise.all(Array.from({ length: 20 }, visitor));
  const health: number[] = [];
  while (Date.now() < end) {
    const asked = performance.now();
    expect(await (await fetch(`${service.url}/healthz`)).text()).toBe('ok\n');
    health.push(performance.now() - asked);
    await new Promise((settle) => setTimeout(settle, 200));
  }
  await visitors;
  const used = cpuSeconds(service.pid) - before;
  expect(answers.length).toBeGreaterThan(20);
  // Unpaced it would take most of a processor for all of the time. What the last ones cost comes on top.
  expect(used).toBeLessThan(0.5 + 0.03 * 8 + 0.4);
  expect(median(health)).toBeLessThan(median(answers) / 2);
});

/** Processor time that a process has used so far (proc(5): utime and stime in ticks of 10 ms). */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
