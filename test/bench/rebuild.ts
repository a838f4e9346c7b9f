/**
 * Measures rebuilds on machines of this one's own (networks, processes and sshd of their own), each figure against its bar:
 *   list      processor time of "builders" and "disputes" with BENCH_JOBS results on record (1,000), half of them disputed: the first
 *             time, and after that
 *   overhead  a rebuild, its check included, against rpmbuild alone in the same root, in turns: a small package, and one that takes
 *             a minute of a processor
 *   bytes     what a machine that is warm gets and gives, against source package, packages and new objects of the root
 *   builders  jobs that wait, on one machine and on four
 *
 *   npm run bench:rebuild [-- PART...]
 *
 * For a quick try: BENCH_JOBS, BENCH_RUNS (3), BENCH_FILES (20, of the large package), BENCH_WAIT (30 seconds, of each of eight jobs).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { helloSpec } from '../support/hello-source.ts';
import { type RebuildBench, rebuildBench } from '../support/rebuild-bench.ts';
import { benchBytes } from './rebuild-bytes.ts';
import { benchList } from './rebuild-list.ts';
import { benchOverhead } from './rebuild-overhead.ts';

const setting = (name: string, byDefault: number): number => Number(process.env[`BENCH_${name}`] ?? byDefault);
const runs = setting('RUNS', 3);
const parts = process.argv.slice(2);
const isWanted = (...names: readonly string[]): boolean =>
  parts.length === 0 || names.some((name) => parts.includes(name));

/** Jobs for each of the four machines. */
const JOBS_EACH = 2;

const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-bench-'));
try {
  if (isWanted('list')) await benchList(join(dir, 'list'), { jobs: setting('JOBS', 1000), runs });
  if (isWanted('overhead', 'bytes', 'builders')) {
    const bench = await rebuildBench(join(dir, 'machines'));
    try {
      console.log(`load ${loadavg()[0]?.toFixed(1)}`);
      if (isWanted('overhead')) await benchOverhead(bench, { runs, files: setting('FILES', 20) });
      if (isWanted('bytes')) await benchBytes(bench);
      if (isWanted('builders')) await benchBuilders(bench, setting('WAIT', 30));
    } finally {
      await bench.stop();
    }
  }
} finally {
  await rm(dir, { recursive: true, force: true });
}

async function benchBuilders({ world, machines, rebuild }: RebuildBench, wait: number): Promise<void> {
  const sources = await Promise.all(
    Array.from({ length: machines.length * JOBS_EACH }, (_, index) =>
      world.source(`waits${index}`, helloSpec(`sleep ${wait}`)),
    ),
  );
  const alone = ['--on', machines[0]?.name ?? ''];
  // The root is there on all of them.
  for (const { name } of machines) await rebuild([await world.source('warm', helloSpec()), '--on', name, '--scratch']);
  const four = await rebuild(sources);
  const one = await rebuild([...sources, ...alone]);
  console.log(
    `${sources.length} jobs that wait ${wait} s: one machine ${one.seconds.toFixed(1)} s, four ${four.seconds.toFixed(1)} s`,
  );
  const ratio = one.seconds / four.seconds;
  console.log(`  ${ratio.toFixed(2)} times faster (bar: at least 3.5)${ratio < 3.5 ? '  MISSED' : ''}`);
}
