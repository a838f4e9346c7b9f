/**
 * Measures the release log, each figure against its bar:
 *   appends  what one entry costs beside a swap of a checkpoint alone, in turns, at 10 entries and at BENCH_ENTRIES (1,000,000)
 *   check    "log check" of all of these against golang.org/x/mod's verifier over the same tiles: seconds, and memory of both
 *   audit    an audit that reads every file against "curl | sha256sum" of the same files; requests of one with nothing new
 *   night    a night with log, bill of materials and signed statement against one without, in turns; requests of an anonymous client
 *            that verifies a build
 *
 *   npm run bench:log [-- PART...]
 *
 * For a quick try: BENCH_ENTRIES, BENCH_TURNS (60 appends), BENCH_MIB (1024, to audit), BENCH_RUNS (3).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { logBench } from '../support/log-bench.ts';
import { benchAppends } from './log-appends.ts';
import { benchAudit } from './log-audit.ts';
import { benchCheck } from './log-check.ts';
import { benchNight } from './log-night.ts';

const setting = (name: string, byDefault: number): number => Number(process.env[`BENCH_${name}`] ?? byDefault);
const [entries, turns, runs] = [setting('ENTRIES', 1_000_000), setting('TURNS', 60), setting('RUNS', 3)];
const parts = process.argv.slice(2);
const isWanted = (...names: readonly string[]): boolean =>
  parts.length === 0 || names.some((name) => parts.includes(name));

const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-bench-'));
try {
  if (isWanted('appends', 'check')) {
    const bench = await logBench(join(dir, 'log'));
    try {
      await benchAppends(bench, { entries, turns });
      if (isWanted('check')) await benchCheck(bench, { runs });
    } finally {
      await bench.server.stop();
    }
  }
  if (isWanted('audit')) {
    const bench = await logBench(join(dir, 'audit'));
    try {
      await benchAudit(bench, { bytes: setting('MIB', 1024) * 1024 ** 2, runs });
    } finally {
      await bench.server.stop();
    }
  }
  if (isWanted('night')) await benchNight(join(dir, 'night'), runs);
} finally {
  await rm(dir, { recursive: true, force: true });
}
