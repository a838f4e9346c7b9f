import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quietTask } from '../../src/base/task.ts';
import { parsePrivateKey } from '../../src/log/note-keys.ts';
import type { LogPlaces } from '../../src/publish/log/append.ts';
import { logStatePath } from '../../src/publish/log/log-state.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import { type StaticServer, serveFolder } from './nginx.ts';
import { runCli } from './world.ts';

/** A project that keeps a log in a folder, which nginx serves and counts the requests for. */
export interface LogBench {
  readonly dir: string;
  readonly published: string;
  readonly url: string;
  readonly vkey: string;
  readonly places: LogPlaces;
  readonly server: StaticServer;
  /** Runs the program; gives its standard output. Any exit code but 0 ends the benchmark. */
  cli(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>;
}

/** Makes the project in a folder, and begins its log. */
export async function logBench(dir: string): Promise<LogBench> {
  const published = join(dir, 'published');
  await mkdir(published, { recursive: true });
  const server = await serveFolder({ root: published, counts: true });
  await writeFile(join(dir, 'treefile.yaml'), 'ref: bench/x86_64/nightly\n');
  const config = `name: bench
work: ./work
targets:
  home: {type: directory, path: ${published}, url: '${server.url}'}
log: {home: home, key-file: ./log.key}
streams:
  nightly: {treefile: treefile.yaml, arch: x86_64, targets: [home]}
`;
  await writeFile(join(dir, 'atomic-nightly.yaml'), config);
  const cli = async (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> => {
    const { code, stdout, stderr } = await runCli(dir, args, env);
    if (code !== 0) throw new Error(`${args.join(' ')} ended with exit code ${code}\n${stdout}${stderr}`);
    return stdout;
  };
  const vkey = (await cli(['log', 'init'])).trim().split('\n').at(-1) ?? '';
  const key = parsePrivateKey(await readFile(join(dir, 'log.key'), 'utf8'), { file: 'log.key' });
  const home = openTarget({ type: 'directory', name: 'home', path: published, url: server.url });
  return {
    ...{ dir, published, vkey, server, cli, url: server.url },
    places: { home, key, state: logStatePath(join(dir, 'work')) },
  };
}

/** A task that says nothing. */
export const BENCH_TASK = quietTask();

/** Seconds that a piece of work takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
}

/** Prints a figure against its bar. */
export function printBar(what: string, value: number, bar: number, unit = ''): void {
  const shown = Number.isInteger(value) ? String(value) : value.toFixed(2);
  console.log(`${what}: ${shown}${unit} (bar: at most ${bar}${unit})${value > bar ? '  MISSED' : ''}`);
}
