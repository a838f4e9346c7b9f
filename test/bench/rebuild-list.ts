import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { printBar } from '../support/log-bench.ts';
import { keepManyResults } from '../support/many-results.ts';
import { median } from '../support/statistics.ts';
import { rebuildWorld } from '../support/trust-world.ts';
import { runCli } from '../support/world.ts';

const USAGE = new URL('../support/usage.mjs', import.meta.url).href;

/** Seconds of processor time. */
const BAR = 0.5;

/** What lists of many jobs take: a process of its own each time, from its start to its end. */
export async function benchList(
  dir: string,
  { jobs, runs }: { readonly jobs: number; readonly runs: number },
): Promise<void> {
  const folder = async (name: string): Promise<string> => {
    const path = join(dir, name);
    await mkdir(path, { recursive: true });
    return path;
  };
  const [none, many] = [await folder('none'), await folder('many')];
  await rebuildWorld(none);
  await keepManyResults(await rebuildWorld(many), { results: jobs, disputed: jobs / 2 });
  console.log(`${jobs} jobs, ${jobs / 2} disputes; processor time, medians of ${runs}`);
  const first = await cpuSeconds(many, ['builders']);
  console.log(`the first time, when all signatures are verified: ${first.toFixed(2)} s`);
  for (const command of ['builders', 'disputes']) {
    const [full, empty]: [number[], number[]] = [[], []];
    for (let turn = 0; turn < runs; turn += 1) {
      full.push(await cpuSeconds(many, [command]));
      empty.push(await cpuSeconds(none, [command]));
    }
    printBar(command, median(full), BAR, ' s');
    console.log(`  without a job ${median(empty).toFixed(2)} s`);
  }
}

/** Processor time of the program, the system's included. */
async function cpuSeconds(dir: string, args: readonly string[]): Promise<number> {
  const file = join(dir, 'usage.json');
  const { code, stderr } = await runCli(dir, args, { NODE_OPTIONS: `--import=${USAGE}`, USAGE_FILE: file });
  // Disputes are open.
  if (code !== 0 && code !== 12) throw new Error(`${args.join(' ')} ended with exit code ${code}\n${stderr}`);
  const { userCPUTime, systemCPUTime } = JSON.parse(await readFile(file, 'utf8'));
  return (userCPUTime + systemCPUTime) / 1e6;
}
