/**
 * Measures what a load on the pages costs a nightly: nights of the lab distribution that the service begins, in turn
 * without visitors and while `wrk` asks for pages as fast as it gets them. wrk itself gets what CPU time is left over,
 * since visitors come from other machines. Prints each night, what wrk saw, and the ratio of the medians.
 *
 *   npm run bench:serve [-- LAB_FOLDER [RUNS]]
 */
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../src/base/free-port.ts';
import type { BuildMeta } from '../../src/build/build-record.ts';
import { surveyBuilds } from '../../src/build/build-store.ts';
import { updateLab } from '../../src/lab/build-lab.ts';
import { start } from '../../src/programs/exec.ts';
import { type BenchLab, withBenchLab } from '../support/bench.ts';
import { startServe } from '../support/service.ts';
import { median } from '../support/statistics.ts';

const UPDATED = ['curl', 'hostname', 'tree'];
/** Nights differ by a tenth of themselves: of fewer, the medians say nothing about a twentieth. */
const RUNS = 8;
const PAGES = ['/', '/streams/nightly/', '/get/', '/feed.atom', '/metrics'];

await withBenchLab(
  [],
  async (bench) => {
    const { dir, runs, cli } = bench;
    const port = await freePort();
    await appendFile(
      join(dir, 'atomic-nightly.yaml'),
      `service: {listen: '127.0.0.1:${port}', trigger: {token-hash-file: ./hashes, debounce: 1s}}\n`,
    );
    const token = (await cli('trigger', '--new-token')).trim();
    await cli('nightly');
    const service = await startServe({ dir });
    try {
      const [quiet, loaded]: [number[], number[]] = [[], []];
      for (let index = 1; index <= runs; index += 1) {
        // In turn, and each first every other time, so that what else this machine does hits both alike.
        for (const load of index % 2 === 0 ? [true, false] : [false, true]) {
          const stop = load ? await visitors(service.url) : async () => undefined;
          const seconds = await night(bench, service.url, token);
          await stop();
          (load ? loaded : quiet).push(seconds);
          console.log(`night ${index} ${load ? 'with visitors   ' : 'without visitors'} ${seconds.toFixed(1)} s`);
        }
      }
      console.log(`median   ${median(quiet).toFixed(1)} s without, ${median(loaded).toFixed(1)} s with visitors`);
      console.log(`ratio    ${(median(loaded) / median(quiet)).toFixed(3)} (target: under 1.05)`);
    } finally {
      await service.end('SIGTERM');
    }
  },
  RUNS,
);

/** A night with updated packages, begun by the service; the seconds from its first step to its last. */
async function night({ lab, dir, task }: BenchLab, url: string, token: string): Promise<number> {
  await updateLab({ dir: lab.dir, packages: UPDATED }, task);
  const before = await newest(dir);
  await fetch(`${url}/trigger/nightly`, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
  for (;;) {
    await sleep(200);
    const { buildid, state, steps } = await newest(dir);
    // A build is called complete before its last steps are.
    if (buildid === before.buildid || state === 'running' || (state === 'complete' && !steps)) continue;
    if (state !== 'complete') throw new Error(`build ${buildid} is ${state}`);
    return (steps ?? []).reduce((sum, { seconds }) => sum + seconds, 0);
  }
}

/** Read from disk: a program that is started again and again to ask would itself slow the night. */
async function newest(dir: string): Promise<BuildMeta> {
  const {
    builds: [last],
  } = await surveyBuilds(join(dir, 'work'));
  if (!last) throw new Error('there is no build');
  return last.meta;
}

/** Asks for all pages at once until it is stopped, then says how fast the answers were. */
async function visitors(url: string): Promise<() => Promise<void>> {
  const said: string[] = [];
  const all = await Promise.all(
    PAGES.map((path) =>
      start('nice', ['-n', '19', 'wrk', '--latency', '-t1', '-c4', '-d600s', url + path], {
        onLine: (line) => said.push(`${path} ${line}`),
      }),
    ),
  );
  // Where the kernel shares the processor out among sessions, that is what counts (sched(7), autogroup).
  for (const { pid } of all) await writeFile(`/proc/${pid}/autogroup`, '19').catch(() => undefined);
  return async () => {
    // SIGINT makes wrk say what it has so far.
    for (const { pid } of all) process.kill(-pid, 'SIGINT');
    await Promise.all(all.map(({ exited }) => exited));
    const counted = said.filter((line) => line.includes('Requests/sec')).length;
    if (counted < PAGES.length) throw new Error(`wrk (of the package of that name) did not run:\n${said.join('\n')}`);
    for (const line of said.filter((one) => /50%|99%|Requests\/sec|Non-2xx/.test(one))) console.log(`  ${line}`);
  };
}
