import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { run } from '../../src/programs/exec.ts';
import { type LogBench, printBar, timed } from '../support/log-bench.ts';
import { buildWalker, whyNoOracle } from '../support/log-oracle.ts';
import { median } from '../support/statistics.ts';

const USAGE = new URL('../support/usage.mjs', import.meta.url).href;

const usage = z.object({ maxRSS: z.number(), userCPUTime: z.number(), systemCPUTime: z.number() });
const walked = z.object({ entries: z.number(), seconds: z.number(), cpu: z.number(), rssMiB: z.number() });

interface Cost {
  readonly seconds: number;
  readonly cpu: number;
  readonly rssMiB: number;
}

/** Reads all of a log: with the command, and with golang.org/x/mod's verifier, in turns; in both the start of the program counts. */
export async function benchCheck(bench: LogBench, { runs }: { readonly runs: number }): Promise<void> {
  const why = whyNoOracle();
  const walker = why === undefined ? buildWalker(bench.dir) : undefined;
  const [ours, theirs]: [Cost[], Cost[]] = [[], []];
  for (let turn = 0; turn < runs; turn += 1) {
    const file = join(bench.dir, 'usage.json');
    const seconds = await timed(() =>
      bench.cli(['log', 'check'], { NODE_OPTIONS: `--import=${USAGE}`, USAGE_FILE: file }),
    );
    const { maxRSS, userCPUTime, systemCPUTime } = usage.parse(JSON.parse(await readFile(file, 'utf8')));
    ours.push({ seconds, cpu: (userCPUTime + systemCPUTime) / 1e6, rssMiB: maxRSS / 1024 });
    if (walker === undefined) continue;
    const { stdout } = await run(walker, [join(bench.published, 'log'), bench.vkey]);
    theirs.push(walked.parse(JSON.parse(stdout)));
  }
  print('log check', ours);
  if (why !== undefined) return console.log(`not compared with golang.org/x/mod: ${why}`);
  print('golang.org/x/mod', theirs);
  const ratios = ours.map(({ seconds }, turn) => seconds / (theirs[turn]?.seconds ?? Number.NaN));
  console.log(`log check to golang.org/x/mod, pair by pair: ${median(ratios).toFixed(2)} times`);
  printBar('memory of log check', Math.max(...ours.map(({ rssMiB }) => rssMiB)), 300, ' MiB');
}

function print(what: string, all: readonly Cost[]): void {
  const of = (pick: (cost: Cost) => number): number => median(all.map(pick));
  const times = `${of((one) => one.seconds).toFixed(1)} s, ${of((one) => one.cpu).toFixed(1)} s of CPU time`;
  console.log(
    `${what}: ${times}, ${of((one) => one.rssMiB).toFixed(0)} MiB resident at most (medians of ${all.length})`,
  );
}
