import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Task } from '../../src/base/task.ts';
import { buildLab, type Lab } from '../../src/lab/build-lab.ts';
import { serveFolder } from './nginx.ts';
import { runCli } from './world.ts';

/** The lab distribution with a configuration that publishes it to a folder behind nginx. */
export interface BenchLab {
  readonly lab: Lab;
  /** Holds the configuration and the work folder; removed afterwards. */
  readonly dir: string;
  /** How often each thing is to be measured. */
  readonly runs: number;
  readonly task: Task;
  /** Runs the program; gives its standard output. Any exit code but 0 ends the benchmark. */
  cli(...args: readonly string[]): Promise<string>;
}

/**
 * Runs a benchmark on the lab distribution. Arguments of the process: LAB_FOLDER (kept; by default one is built and
 * removed) and RUNS.
 */
export async function withBenchLab(
  images: readonly string[],
  measure: (bench: BenchLab) => Promise<void>,
  usualRuns = 3,
): Promise<void> {
  const [labFolder, runs = String(usualRuns)] = process.argv.slice(2);
  if (labFolder === '') throw new Error('LAB_FOLDER is empty');
  const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-bench-'));
  try {
    const published = join(dir, 'published');
    await mkdir(published);
    const task: Task = {
      signal: new AbortController().signal,
      logFile: join(dir, 'bench.log'),
      say: (line) => console.log(`  ${line}`),
      progress: () => undefined,
    };
    const server = await serveFolder({ root: published });
    try {
      const lab = await buildLab({ dir: resolve(labFolder ?? join(dir, 'lab')), publicUrl: server.url }, task);
      await writeFile(join(dir, 'atomic-nightly.yaml'), config(lab.treefile, published, server.url, images));
      console.log(`${lab.packageCount} RPMs, ${runs} runs of each`);
      await measure({ lab, dir, runs: Number(runs), task, cli: (...args) => cliIn(dir, args) });
    } finally {
      await server.stop();
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function cliIn(dir: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(dir, args);
  if (code !== 0) throw new Error(`${args.join(' ')} ended with exit code ${code}\n${stderr}`);
  return stdout;
}

function config(treefile: string, published: string, url: string, images: readonly string[]): string {
  return `name: bench
work: ./work
engine: dnf
targets:
  out: {type: directory, path: ${published}, url: '${url}'}
streams:
  nightly:
    treefile: ${treefile}
    ref: bench/x86_64/nightly
    seed: {allow-new: true}
    targets: [out]
    images: [${images.join(', ')}]
`;
}
