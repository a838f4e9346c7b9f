import { existsSync, readdirSync } from 'node:fs';
import { appendFile, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { openMachine } from '../../src/builders/far-machine.ts';
import { type OpenBuilders, type Rebuilt, rebuild } from '../../src/pipelines/rebuild.ts';
import { type BuildRoot, makeBuildRoot } from '../../src/rebuild/build-root.ts';
import { beginAttempt, createJob } from '../../src/rebuild/job.ts';
import type { RebuildResult } from '../../src/rebuild/result.ts';
import { gatherSources } from '../../src/rebuild/source-package.ts';
import { runAttempt } from '../../src/steps/rebuild/run-attempt.ts';
import { helloSpec } from '../support/hello-source.ts';
import { startMachine, type TestMachine } from '../support/machines.ts';
import { openTestBuilders } from '../support/rebuild-project.ts';
import { makeRebuildWorld, type RebuildWorld } from '../support/rebuild-world.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';
import { until } from '../support/until.ts';

const dir = sharedFolder();
const task = testTask(dir);
let world: RebuildWorld;
let source: string;
let count = 0;

/** A package whose build waits in some way; what makes it wait takes processor time, and that is progress. */
const spec = (wait: string) => helloSpec('echo waiting', wait);

beforeAll(async () => {
  world = await makeRebuildWorld(dir, { compiler: false });
  source = await world.source('hello', spec('until [ -e /tmp/go ]; do sleep 0.05; done'));
});

async function machines(number: number, changes: Readonly<Record<string, unknown>> = {}, sshd = '') {
  const started: TestMachine[] = [];
  for (let index = 0; index < number; index += 1) {
    count += 1;
    const machine = await startMachine({
      name: `m${count}`,
      operator: `example${count}.org`,
      lower: world.lower,
      dir,
      sshd,
    });
    onTestFinished(machine.stop);
    started.push(machine);
  }
  const open = await openTestBuilders(world, started, changes);
  return { started, open };
}

const build = (open: OpenBuilders, path = source) =>
  rebuild(open, { sources: [path], repoFiles: open.builders.repositories, scratch: false }, task);

/** Resolves with the folder of the job that waits on a machine. */
async function waitingOn({ root }: TestMachine): Promise<string> {
  const jobs = join(root, 'var/lib/atomic-nightly-builder/jobs');
  let found = '';
  await until(async () => {
    for (const job of existsSync(jobs) ? readdirSync(jobs) : []) {
      const log = await readFile(join(jobs, job, 'log'), 'utf8').catch(() => '');
      if (log.includes('\nwaiting\n')) found = join(jobs, job);
    }
    return found !== '';
  });
  return found;
}

function resultOf([one]: readonly Rebuilt[]): RebuildResult {
  if (one && 'result' in one) return one.result;
  throw one?.error ?? new Error('there is no result');
}

it('a connection that breaks is taken up again', async () => {
  const {
    started: [machine],
    open,
  } = await machines(1);
  if (!machine) throw new Error('no machine');
  const running = build(open);
  const job = await waitingOn(machine);
  await machine.cut();
  await writeFile(join(job, 'tmp/go'), '');
  await until(() => existsSync(join(job, 'state')));
  await machine.mend();
  const result = resultOf(await running);
  expect(result).toMatchObject({ outcome: 'built', builder: machine.name });
  const log = await readFile(join(open.config.work, 'rebuild/jobs', result.job, result.log.path), 'utf8');
  expect(log.match(/^waiting$/gm)).toHaveLength(1);
});

it('a job takes one connection, also where sshd allows one session on it; when sshd ends it, another one', async () => {
  const {
    started: [machine],
    open,
  } = await machines(1, {}, 'MaxSessions 1');
  if (!machine) throw new Error('no machine');
  const before = await machine.connections();
  const running = build(open);
  const job = await waitingOn(machine);
  // Questions enough for each to have been a connection.
  await new Promise((resolve) => setTimeout(resolve, 8000));
  expect((await machine.connections()) - before).toBe(1);
  // Process 1 is the sshd that listens.
  await machine.inside("ps -o pid,args | awk '$1 > 1 && /sshd/ && !/awk/ { print $1 }' | xargs kill -9");
  await new Promise((resolve) => setTimeout(resolve, 3000));
  await writeFile(join(job, 'tmp/go'), '');
  expect(resultOf(await running)).toMatchObject({ outcome: 'built', builder: machine.name });
  expect((await machine.connections()) - before).toBe(2);
  // Nothing is left open behind it.
  await until(async () => !(await machine.inside('ps -o args')).includes('sshd: root'));
});

it('a machine that vanishes gives its job to another one', async () => {
  const {
    started: [first, second],
    open,
  } = await machines(2, { stall: '5s' });
  if (!first || !second) throw new Error('no machines');
  const running = build(open);
  const job = basename(await waitingOn(first));
  const log = join(open.config.work, 'rebuild/jobs', job, 'attempt-1/log');
  const streamed = () => readFile(log, 'utf8').catch(() => '');
  await until(async () => (await streamed()).includes('\nwaiting\n'));
  await first.stop();
  await writeFile(join(await waitingOn(second), 'tmp/go'), '');
  const result = resultOf(await running);
  expect(result).toMatchObject({ outcome: 'built', builder: second.name, log: { path: 'attempt-2/log' } });
  // What the first one said while it was there is kept.
  expect(result.job).toBe(job);
  expect(await readFile(log, 'utf8')).toContain('\nwaiting\n');
});

it('a build that hangs is ended there and begun elsewhere', async () => {
  const {
    started: [first, second],
    open,
  } = await machines(2, { stall: '8s' });
  if (!first || !second) throw new Error('no machines');
  const running = build(open);
  const job = await waitingOn(first);
  // One that only sleeps for a moment may be gone by then; the one that started it is not.
  await first.inside("kill -STOP $(ps | awk '$2 == 1000 { print $1 }') || :");
  await writeFile(join(await waitingOn(second), 'tmp/go'), '');
  expect(resultOf(await running)).toMatchObject({ outcome: 'built', builder: second.name });
  // Nothing of it is left on the first.
  expect(existsSync(job)).toBe(false);
  expect(await first.inside("ps | awk '$2 == 1000'")).toBe('');
});

it('a result that another key has signed is refused', async () => {
  const {
    started: [one, other],
  } = await machines(2);
  if (!one || !other) throw new Error('no machines');
  const config = { ...one.config, 'statement-key': other.config['statement-key'] };
  const open = await openTestBuilders(world, [{ config }]);
  const running = build(open);
  await writeFile(join(await waitingOn(one), 'tmp/go'), '');
  const [refused] = await running;
  expect(refused).toMatchObject({
    error: { message: expect.stringContaining('is not signed by the key of its operator') },
  });
});

it('a warm machine gets the source package and little else; a damaged root is sent again', async () => {
  const {
    started: [machine],
    open,
  } = await machines(1);
  const [config] = open.builders.machines;
  if (!machine || !config) throw new Error('no machine');
  const path = await world.source('quick', spec(':'), { data: 'x'.repeat(1 << 20) });
  const folder = join(open.config.work, 'rebuild');
  const [quick] = await gatherSources(folder, [path], task);
  if (!quick) throw new Error('no source');
  const { root: packages, repositories: repoFiles } = open.builders;
  const root = await makeBuildRoot(
    { folder, repoFiles, packages: [...packages, ...quick.requires], arch: 'x86_64' },
    task,
  );
  const attempt = async (root: BuildRoot) => {
    const far = await openMachine(config, open.config.work, task);
    const job = await beginAttempt(folder, await createJob(folder, quick, { scratch: true }), config.name);
    const request = {
      folder,
      job,
      source: quick,
      root,
      arch: 'x86_64',
      probe: 'a'.repeat(64),
      stallSeconds: 60,
      keepRoots: 1,
    };
    return { result: await runAttempt(far, request, task), sent: far.sent() };
  };
  const cold = await attempt(root);
  const warm = await attempt(root);
  expect(warm.result.packages).toEqual(cold.result.packages);
  expect(warm.sent).toBeLessThanOrEqual(1.1 * (await stat(quick.path)).size);
  expect(cold.sent).toBeGreaterThan(10 * warm.sent);

  await appendFile(join(machine.root, 'var/lib/atomic-nightly-builder/roots', root.commit, 'usr/bin/bash'), 'x');
  const again = await attempt(root);
  expect(again.result.packages).toEqual(cold.result.packages);
  expect(task.lines).toContain(`${config.name}: its copy of the build root is damaged; sending it anew`);

  const others = [...packages, ...quick.requires, 'machine'];
  const other = await makeBuildRoot({ folder, repoFiles, packages: others, arch: 'x86_64' }, task);
  await attempt(other);
  expect(task.lines).toContain(
    `${config.name}: build root ${root.commit} removed; the 1 used last stay (builders.keep.roots)`,
  );
  expect(readdirSync(join(machine.root, 'var/lib/atomic-nightly-builder/roots'))).toEqual([other.commit]);
});

it('the same packages are the same root', async () => {
  const { open } = await machines(1);
  const folder = join(open.config.work, 'rebuild');
  const { root: packages, repositories: repoFiles } = open.builders;
  const request = { folder, repoFiles, packages: [...packages], arch: 'x86_64' };
  const first = await makeBuildRoot(request, task);
  const second = await makeBuildRoot(request, task);
  expect(second).toEqual({ ...first, unchanged: true });
  // What somebody wrote into it here is not sent anywhere.
  const bash = first.entries.find(({ path }) => path === 'usr/bin/bash');
  if (bash?.kind !== 'file') throw new Error('the root has no bash');
  await appendFile(bash.content, 'x');
  const { entries: _, ...third } = await makeBuildRoot(request, task);
  expect(third).toMatchObject({ commit: first.commit, listing: first.listing });
  await world.distro.bump('mini-release');
  expect(await makeBuildRoot(request, task)).toMatchObject({ unchanged: false });
});
