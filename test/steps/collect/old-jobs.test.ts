import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createJob } from '../../../src/rebuild/job.ts';
import { findOldJobs } from '../../../src/steps/collect/find-old-jobs.ts';
import { removeGarbage } from '../../../src/steps/collect/remove-garbage.ts';
import { buildMiniRpm } from '../../support/mini-rpm.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';
import { NOON, rebuildWorld } from '../../support/trust-world.ts';
import { runCli } from '../../support/world.ts';

const rpm = (text: string) =>
  buildMiniRpm({
    ...{ name: 'hello', version: '1.0', release: '1', arch: 'x86_64' },
    files: [{ path: '/usr/bin/hello', text, mode: '0755' }],
  });

it('I18: of rebuilds, only what counts for nothing goes: nothing accepted, waited for or disputed, and no evidence', async () => {
  const world = await rebuildWorld(temporaryFolder(), { more: '  keep: {jobs: 1, age: 30d}\n' });
  const { work } = world.config;
  const [honest, tampered] = [await rpm('honest'), await rpm('tampered')];
  const first = await world.submit({ builder: 'alpha', rpms: [honest], source: 'a' });
  const disputed = await world.submit({ builder: 'alpha', rpms: [honest], source: 'b' });
  // A failed build against one that was built is a dispute, and evidence.
  const against = await world.submit({ builder: 'beta', rpms: [], source: 'b' });
  const [scratch, failed, newest] = [
    await world.submit({ builder: 'alpha', rpms: [tampered], source: 'c', scratch: true }),
    await world.submit({ builder: 'alpha', rpms: [], source: 'd', at: NOON + 1 }),
    await world.submit({ builder: 'alpha', rpms: [tampered], source: 'e', scratch: true, at: NOON + 2 }),
  ];
  expect(against.disputes).toHaveLength(1);
  const jobsOf = async (now: number) =>
    [...new Set((await findOldJobs(world.config, now)).map(({ path }) => path.split('/').at(-1)))].sort();
  const [old, all] = [[scratch, failed].map(({ result }) => result.job).sort(), [scratch, failed, newest]];
  expect(await jobsOf(NOON + 100)).toEqual(old);
  expect(await jobsOf(NOON + 31 * 86_400)).toEqual(all.map(({ result }) => result.job).sort());

  const source = { path: '/x', nevra: 'x-1-1.src', sha256: 'c'.repeat(64), size: 1, requires: [], epoch: 1 };
  const open = await createJob(join(work, 'rebuild'), source, { scratch: false });
  // A damaged record says nothing of what it is: it stays.
  mkdirSync(join(work, 'rebuild/jobs', 'd'.repeat(32)));
  writeFileSync(join(work, 'rebuild/jobs', 'd'.repeat(32), 'job.json'), '{"cut');
  const dry = await runCli(world.dir, ['gc', '--dry-run', '--json']);
  expect(dry, dry.stderr).toMatchObject({ code: 0 });
  expect(dry.stdout).toContain(scratch.result.job);
  expect(dry.stdout).not.toContain(open.job);
  const found = await findOldJobs(world.config, NOON + 100);
  // A kill comes after the first folder of the first job; the rest of it is found again.
  await removeGarbage(work, found.slice(0, 1), testTask(world.dir));
  const gone = await runCli(world.dir, ['gc']);
  expect(gone, gone.stderr).toMatchObject({ code: 0 });
  const isThere = (job: string) =>
    existsSync(join(work, 'rebuild/jobs', job)) || existsSync(join(work, 'rebuild/results', job));
  expect(old.filter(isThere)).toEqual([]);
  const kept = [first, disputed].map(({ result }) => result.job);
  expect(kept.filter((job) => !existsSync(join(work, 'rebuild/jobs', job)))).toEqual([]);
  expect(existsSync(join(work, 'rebuild/results', against.result.job))).toBe(true);
  expect((await world.judged()).map(({ standing }) => standing).sort()).toEqual(expect.arrayContaining(['accepted']));
});
