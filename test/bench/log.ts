import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quietTask } from '../../src/base/task.ts';
import { noteSigner } from '../../src/log/note-keys.ts';
import { appendToLog } from '../../src/publish/log/append.ts';
import { censusOf } from '../../src/publish/log/check-log.ts';
import { openLog, readLogHead } from '../../src/publish/log/log-files.ts';
import { swapWithRetry } from '../../src/publish/swap-with-retry.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import { median } from '../support/statistics.ts';

/**
 * Appends to a release log in a folder: what one entry costs beside a swap of a checkpoint alone, in turns, at 10 entries and at
 * BENCH_ENTRIES (default: 1,000,000); then reads and verifies all of it, with the memory that takes. BENCH_TURNS=N takes
 * another number of appends.
 */
const [ENTRIES, TURNS] = [Number(process.env['BENCH_ENTRIES'] ?? 1_000_000), Number(process.env['BENCH_TURNS'] ?? 60)];
const BATCH = 4096;

const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-bench-'));
const task = quietTask();
const key = noteSigner('bench.example/log', 'ed25519', Buffer.alloc(32, 7));
const home = openTarget({ type: 'directory', name: 'home', path: join(dir, 'home'), url: 'http://127.0.0.1:1' });
const places = { home, key, state: join(dir, 'state.json') };

let made = 0;
const entry = (): Buffer[] => {
  made += 1;
  return [Buffer.from(`bench/1\n${String(made).padEnd(600, '.')}\n`)];
};

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

async function swapAlone(): Promise<void> {
  const path = 'log/other';
  const prepare = async () => {
    const content = await home.read(path, task);
    return { expect: [{ path, content }], put: [{ path, content: Buffer.from(`${made}\n`.padEnd(200, '.')) }] };
  };
  await swapWithRetry(prepare, home, task);
}

/** Medians of appends and of swaps, in turns. */
async function measure(): Promise<{ readonly append: number; readonly swap: number }> {
  const [appends, swaps]: [number[], number[]] = [[], []];
  for (let turn = 0; turn < TURNS; turn += 1) {
    swaps.push(await timed(swapAlone));
    appends.push(await timed(() => appendToLog([entry()], places, task)));
  }
  return { append: median(appends), swap: median(swaps) };
}

const ms = (value: number): string => `${value.toFixed(1)} ms`;

try {
  await appendToLog(Array.from({ length: 10 }, entry), places, task);
  const small = await measure();
  console.log(
    `at ${made} entries: append ${ms(small.append)}, swap of a checkpoint alone ${ms(small.swap)}, ratio ${(small.append / small.swap).toFixed(2)}`,
  );
  const built = await timed(async () => {
    while (made < ENTRIES)
      await appendToLog(Array.from({ length: Math.min(BATCH, ENTRIES - made) }, entry), places, task);
  });
  console.log(`${made} entries in batches of ${BATCH}: ${(built / 1000).toFixed(1)} s`);
  const large = await measure();
  console.log(
    `at ${made} entries: append ${ms(large.append)}, swap ${ms(large.swap)}, ratio ${(large.append / large.swap).toFixed(2)}; ${(large.append / small.append).toFixed(2)} times an append at 10`,
  );
  const checked = await timed(async () => {
    const head = await readLogHead(home, { log: key }, task);
    await censusOf(await openLog(home, head, task), task);
  });
  console.log(
    `log check: ${(checked / 1000).toFixed(1)} s, ${Math.round(process.resourceUsage().maxRSS / 1024)} MB resident at most`,
  );
} finally {
  await rm(dir, { recursive: true, force: true });
}
