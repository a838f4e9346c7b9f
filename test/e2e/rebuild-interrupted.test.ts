import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readOpenJobs } from '../../src/rebuild/job.ts';
import { readRebuildRecords } from '../../src/rebuild/rebuild-records.ts';
import { helloSpec } from '../support/hello-source.ts';
import { startMachine, type TestMachine } from '../support/machines.ts';
import { killIfThere } from '../support/processes.ts';
import { openTestBuilders } from '../support/rebuild-project.ts';
import { makeRebuildWorld, type RebuildWorld } from '../support/rebuild-world.ts';
import { sharedFolder } from '../support/tmp.ts';
import { runCli, startCli } from '../support/world.ts';

/** So often `rebuild` is killed. */
const KILLS = Number(process.env['REBUILD_KILLS'] ?? 200);

const dir = sharedFolder();
let world: RebuildWorld;
let machine: TestMachine;
let project: Awaited<ReturnType<typeof openTestBuilders>>;

/** It takes a while, so that kills come while it is built, too. */
const SPEC = helloSpec('echo "it was built"', 'sleep 2');

beforeAll(async () => {
  world = await makeRebuildWorld(dir, { compiler: false });
  machine = await startMachine({ name: 'alpha', operator: 'example.org', lower: world.lower, dir });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = join(dir, 'results.pem');
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const statement = { verifier: 'https://rebuilds.example.org', key: { type: 'key-file', 'key-file': key } };
  project = await openTestBuilders(world, [machine], { statement });
});
afterAll(() => machine.stop());

/** Runs `rebuild` until a moment at random. @returns the job whose result it printed before */
async function rebuildUntil(source: string, milliseconds: number): Promise<string | undefined> {
  const child = startCli(dir, ['rebuild', source, '--json', '-c', project.path]);
  let printed = '';
  child.stdout.on('data', (chunk) => {
    printed += chunk;
  });
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  await Promise.race([sleep(milliseconds), closed]);
  if (child.pid !== undefined && child.exitCode === null) killIfThere(-child.pid);
  const code = await closed;
  if (code !== null && code !== 0) throw new Error(`rebuild ended with exit code ${code}\n${printed}`);
  // One that was killed as it printed has told of it, or not, whatever its exit code.
  return printed.endsWith('\n}\n') ? JSON.parse(printed).results[0].job : undefined;
}

test(`I18: ${KILLS} kills of rebuild: each package has one job, is built once, and nothing is left on the machine`, async () => {
  const config = { ...project.config, builders: project.builders };
  const jobs = join(config.work, 'rebuild/jobs');
  let killed = 0;
  let longest = 20_000;
  const sources: string[] = [];
  const ended = new Map<string, string>();
  while (killed < KILLS) {
    const source = await world.source(`package${sources.length}`, SPEC);
    sources.push(source);
    while (killed < KILLS && !ended.has(source)) {
      const begun = performance.now();
      const job = await rebuildUntil(source, Math.random() * longest);
      if (job !== undefined) {
        ended.set(source, job);
        longest = performance.now() - begun;
      } else {
        killed += 1;
        // A busy machine may not come to the end in the time of a quiet one.
        longest *= 1.05;
      }
    }
  }
  for (const source of sources.filter((one) => !ended.has(one))) {
    const last = await runCli(dir, ['rebuild', source, '-c', project.path]);
    expect(last, last.stdout + last.stderr).toMatchObject({ code: 0 });
  }
  const { judged, faults } = await readRebuildRecords(config);
  expect(faults).toEqual([]);
  expect(judged.map(({ result }) => result.source.nevra).sort()).toEqual(
    sources.map((_, index) => `package${index}-1.0-1.src`).sort(),
  );
  expect(new Set(judged.map(({ result }) => result.outcome))).toEqual(new Set(['built']));
  // One that was killed right after it had printed may not have noted that.
  const open = (await readOpenJobs(join(config.work, 'rebuild'))).map(({ job }) => job.job);
  expect(open.filter((job) => ![...ended.values()].includes(job))).toEqual([]);
  expect(readdirSync(jobs).sort()).toEqual(judged.map(({ result }) => result.job).sort());
  for (const { result } of judged) {
    const log = readFileSync(join(jobs, result.job, result.log.path), 'utf8');
    expect(log.match(/^it was built$/gm)).toHaveLength(1);
    for (const { file } of result.packages)
      expect(existsSync(join(jobs, result.job, result.log.path, '../packages', file))).toBe(true);
  }
  // What the last run of all knew to be over, it removed.
  expect(readdirSync(join(machine.root, 'var/lib/atomic-nightly-builder/jobs'))).toEqual([]);
  expect(await machine.inside("ps | awk '$2 == 1000'")).toBe('');
});
