import { appendToLog } from '../../src/publish/log/append.ts';
import { swapWithRetry } from '../../src/publish/swap-with-retry.ts';
import { formatEntry } from '../../src/published/log-entry.ts';
import { BENCH_TASK, type LogBench, printBar, timed } from '../support/log-bench.ts';
import { median } from '../support/statistics.ts';

/** Entries that are added together until there are enough. */
const BATCH = 4096;

let made = 0;

/** A commit of a ref, which is what a log has most of, with a name as long as those of builds make an entry. */
function entry(): Buffer[] {
  made += 1;
  const commit = made.toString(16).padStart(64, '0');
  return formatEntry({
    kind: 'ref',
    ref: `bench/x86_64/${'n'.repeat(200)}`,
    commit,
    timestamp: made,
    version: `${made}`,
  });
}

/** Appends one entry, in turns with a swap of a checkpoint alone; at 10 entries, and once there are as many as are asked for. */
export async function benchAppends(
  bench: LogBench,
  { entries, turns }: { readonly entries: number; readonly turns: number },
): Promise<void> {
  const append = (count: number) => appendToLog(Array.from({ length: count }, entry), bench.places, BENCH_TASK);
  const measure = async () => {
    const [appends, swaps, ratios]: [number[], number[], number[]] = [[], [], []];
    for (let turn = 0; turn < turns; turn += 1) {
      const swap = await timed(() => swapAlone(bench));
      const one = await timed(() => append(1));
      swaps.push(swap);
      appends.push(one);
      ratios.push(one / swap);
    }
    return { append: median(appends), swap: median(swaps), ratio: median(ratios) };
  };
  await append(9);
  const small = await measure();
  printCosts(10 + turns, small);
  const built = await timed(async () => {
    while (made < entries) await append(Math.min(BATCH, entries - made));
  });
  console.log(`${made} entries in batches of ${BATCH}: ${built.toFixed(1)} s`);
  const large = await measure();
  printCosts(made, large);
  printBar(`an append at ${made} entries to one at 10`, large.append / small.append, 1.3, ' times');
}

function printCosts(size: number, { append, swap, ratio }: { append: number; swap: number; ratio: number }): void {
  const ms = (seconds: number): string => `${(seconds * 1000).toFixed(1)} ms`;
  console.log(`at ${size} entries: append ${ms(append)}, swap of a checkpoint alone ${ms(swap)} (medians)`);
  printBar(`an append at ${size} entries to a swap alone, pair by pair`, ratio, 1.2, ' times');
}

async function swapAlone({ places: { home } }: LogBench): Promise<void> {
  const path = 'log/other';
  const prepare = async () => {
    const content = await home.read(path, BENCH_TASK);
    return { expect: [{ path, content }], put: [{ path, content: Buffer.from(`${made}\n`.padEnd(200, '.')) }] };
  };
  await swapWithRetry(prepare, home, BENCH_TASK);
}
