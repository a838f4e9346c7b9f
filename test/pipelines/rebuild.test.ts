import { existsSync, readdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkBuilder, type Rebuilt, rebuild } from '../../src/pipelines/rebuild.ts';
import type { RebuildResult } from '../../src/rebuild/result.ts';
import { startMachine, type TestMachine } from '../support/machines.ts';
import { mountTmpfs } from '../support/mounts.ts';
import { openTestBuilders } from '../support/rebuild-project.ts';
import { makeRebuildWorld, type RebuildWorld } from '../support/rebuild-world.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { startCli } from '../support/world.ts';

// The stories with compilers, and every kind of tampering, are in test/e2e/rebuild-*.test.ts.

const dir = sharedFolder();
const task = testTask(dir);
let world: RebuildWorld;
let alpha: TestMachine;
let beta: TestMachine;
let open: Awaited<ReturnType<typeof openTestBuilders>>;
let source: string;

/** A package without a compiler; it prints what a build can see of the machine. */
const SPEC = `BuildArch: noarch
%description
test
%install
echo "user $(id -u) groups $(id -G) host $(cat /proc/sys/kernel/hostname)"
echo "network $(tail -n +3 /proc/net/dev | grep -v lo: | wc -l) processes $(ls -d /proc/[0-9]* | wc -l)"
touch /usr/bin/intruder || echo "the root is read-only"
mkdir -p %{buildroot}/usr/share/hello
date > %{buildroot}/usr/share/hello/made
echo hello > %{buildroot}/usr/share/hello/made
%files
/usr/share/hello`;

beforeAll(async () => {
  world = await makeRebuildWorld(dir, { compiler: false });
  const { lower } = world;
  alpha = await startMachine({ name: 'alpha', operator: 'example.org', lower, dir });
  beta = await startMachine({ name: 'beta', operator: 'example.net', lower, dir });
  open = await openTestBuilders(world, [alpha, beta]);
  source = await world.source('hello', SPEC);
});
afterAll(async () => {
  await alpha.stop();
  await beta.stop();
});

const request = (on: string) => ({ sources: [source], repoFiles: open.builders.repositories, on, scratch: false });

function resultOf([one]: readonly Rebuilt[]): RebuildResult {
  if (one && 'result' in one) return one.result;
  throw one?.error ?? new Error('there is no result');
}

it('two operators give the same package, header for header (I10)', async () => {
  const first = resultOf(await rebuild(open, request('alpha'), task));
  const second = resultOf(await rebuild(open, request('beta'), task));
  expect(first).toMatchObject({ outcome: 'built', operator: 'example.org', root: second.root });
  expect(second).toMatchObject({ outcome: 'built', operator: 'example.net' });
  expect(first.job).not.toBe(second.job);
  expect(first.packages).toEqual(second.packages);
  expect(first.packages.map(({ nevra }) => nevra)).toEqual(['hello-1.0-1.noarch']);

  const folder = join(open.config.work, 'rebuild/jobs', first.job);
  const log = await readFile(join(folder, first.log.path), 'utf8');
  expect(log).toContain('user 1000 groups 1000 host localhost');
  expect(log).toMatch(/network 0 processes \d{1,2}\n/);
  expect(log).toContain('the root is read-only');
  expect(existsSync(join(folder, 'attempt-1/probe.json'))).toBe(true);
  // Nothing of a job is left there once its result is here.
  expect(await alpha.inside('ls /var/lib/atomic-nightly-builder/jobs')).toBe('');
});

it('what a run that was killed has given to a machine is taken up, and not built again (I18)', async () => {
  const waiting =
    'BuildArch: noarch\n%description\ntest\n%install\necho waiting\nuntil [ -e /tmp/go ]; do sleep 0.05; done\n%files';
  const path = await world.source('slow', waiting);
  const run = startCli(dir, ['rebuild', path, '--on', 'alpha', '-c', open.path]);
  const closed = new Promise((resolve) => run.on('close', resolve));
  const there = join(alpha.root, 'var/lib/atomic-nightly-builder/jobs');
  const logOf = (job: string) => readFile(join(there, job, 'log'), 'utf8').catch(() => '');
  let job = '';
  await until(async () => {
    [job = ''] = existsSync(there) ? readdirSync(there) : [];
    return (await logOf(job)).includes('\nwaiting\n');
  });
  if (run.pid === undefined) throw new Error('it did not start');
  process.kill(-run.pid, 'SIGKILL');
  await closed;
  await writeFile(join(there, job, 'tmp/go'), '');
  // Without --on: the machine that has it is asked first.
  const result = resultOf(await rebuild(open, { ...request('alpha'), on: undefined, sources: [path] }, task));
  expect(result).toMatchObject({ job, builder: 'alpha', outcome: 'built', log: { path: 'attempt-1/log' } });
  expect(task.lines).toContain(`alpha: taking up job ${job} of slow-1.0-1.src`);
  const log = await readFile(join(open.config.work, 'rebuild/jobs', job, result.log.path), 'utf8');
  expect(log.match(/^waiting$/gm)).toHaveLength(1);
  expect(readdirSync(there)).toEqual([]);
});

it('a machine with a changed program is refused before a byte of a job leaves, and the other one has it', async () => {
  await writeFile(join(beta.root, 'usr/bin/openssl'), '#!/bin/sh\n');
  const verdict = await checkBuilder(open, 'beta', task);
  expect(verdict.findings.map(({ kind }) => kind)).toContain('changed-file');
  const [refused] = await rebuild(open, request('beta'), task);
  expect(refused).toMatchObject({
    error: {
      code: 'gate-failed',
      message: expect.stringContaining('/usr/bin/openssl is not what any known package has'),
    },
  });
  const everything = await beta.inside('find /var/lib/atomic-nightly-builder -name in.rpm -o -name "*.src.rpm"');
  expect(everything).toBe('');
});

it("a full disk here is no machine's fault, and no reason to ask another one", async () => {
  const full = join(dir, 'full');
  await mountTmpfs(full, 'size=64k');
  const config = { ...open.config, work: full };
  const asked = { ...request('alpha'), on: undefined };
  const own = testTask(full);
  const [outcome] = await rebuild({ ...open, config }, asked, own);
  expect(outcome).toMatchObject({ error: { code: 'disk-full', message: expect.stringContaining(full) } });
  expect(own.lines.filter((line) => line.includes('does not build'))).toEqual([]);
});

it('a machine with another host key gets nothing', async () => {
  const ssh = alpha.config['ssh'];
  const other = beta.config['ssh'];
  if (typeof ssh !== 'object' || typeof other !== 'object' || !ssh || !other || !('host-key' in other))
    throw new Error();
  const config = { ...alpha.config, ssh: { ...ssh, 'host-key': other['host-key'] } };
  const wrong = await openTestBuilders(world, [{ config }]);
  await expect(checkBuilder(wrong, 'alpha', task)).rejects.toMatchObject({
    code: 'builder-host-key',
    message: expect.stringContaining('it got nothing'),
  });
});
