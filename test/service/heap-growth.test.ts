import { expect, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';

const MODULE = new URL('../../src/service/heap-growth.ts', import.meta.url).href;

/** Keeps 64 MB, then makes eight times as much that nobody needs for long, and tells how large the heap grew meanwhile. */
const SCRIPT = `
import { limitHeapGrowth } from ${JSON.stringify(MODULE)};
if (process.argv[1] === 'limited') limitHeapGrowth();
const piece = () => Array.from({ length: 1000 }, (_, index) => ({ index, text: String(index) }));
const kept = Array.from({ length: 1000 }, piece);
gc();
const needed = process.memoryUsage().heapUsed;
let [most, passing] = [0, []];
for (let round = 0; round < 8000; round += 1) {
  // Old enough to be nobody's but a full collection's.
  passing.push(piece());
  if (passing.length > 500) passing = [];
  most = Math.max(most, process.memoryUsage().heapUsed);
}
console.log(JSON.stringify({ needed, most, kept: kept.length }));
`;

test('I15: the heap of the service grows with what is kept, not with how fast V8 takes itself to be', async () => {
  // As V8 lets it grow where its own collections were slow for a moment.
  const unlucky = ['--heap-growing-percent=300', '--expose-gc', '--import', 'tsx', '--input-type=module', '-e', SCRIPT];
  const grown = async (how: string) => {
    const { stdout } = await run(process.execPath, [...unlucky, how]);
    const { needed, most } = JSON.parse(stdout);
    return most / needed;
  };
  expect(await grown('as it is')).toBeGreaterThan(4);
  expect(await grown('limited')).toBeLessThan(4);
});
