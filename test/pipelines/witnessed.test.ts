import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { ifThere } from '../../src/base/files.ts';
import { freePort } from '../../src/base/free-port.ts';
import { keepLog } from '../support/logged-world.ts';
import { reconfigure } from '../support/package-world.ts';
import { killIfThere } from '../support/processes.ts';
import { configureService, endService, startServe } from '../support/service.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { makeWorld, pulled, records, startCli } from '../support/world.ts';

it('without the quorum of witnesses a build is incomplete and nothing of it visible; resume completes it, and so does the service', async () => {
  const world = await makeWorld(temporaryFolder());
  onTestFinished(() => world.stop());
  const vkey = await keepLog(world);
  const witness = ['witness', '--key', 'witness.key', '--state', 'witness-state'];
  const port = await freePort();
  const made = await world.nightly(...witness, '--new-key', 'witness.example/w');
  const start = async () => {
    const child = startCli(world.dir, [...witness, '--listen', `127.0.0.1:${port}`, '--log', vkey]);
    onTestFinished(() => killIfThere(-(child.pid ?? 0)));
    await once(child.stdout, 'data');
    return async () => {
      child.kill();
      await once(child, 'exit');
    };
  };
  const policy = join(world.dir, 'policy');
  await writeFile(policy, `log ${vkey}\nwitness w ${made.stdout.trim()} http://127.0.0.1:${port}\nquorum w\n`);
  await reconfigure(world, (text) => text.replace('log: {', `log: {policy: ${policy}, `));
  const visible = async (path: string) =>
    existsSync(join(world.published, path)) ? readFile(join(world.published, path), 'utf8') : undefined;
  const audited = () => world.nightly('audit', world.url, '--policy', policy, '--state', 'audit.json');

  const first = await world.nightly('nightly');
  expect([first.code, first.stderr]).toEqual([1, expect.stringContaining('Too few witnesses have cosigned the log.')]);
  const [lacking] = await records(world);
  expect(lacking).toMatchObject({
    'atomic-nightly.state': 'incomplete',
    'atomic-nightly.failures': [{ step: 'push-buildlogs', code: 'unwitnessed' }],
  });
  expect(await Promise.all(['repo/summary', 'builds/builds.json'].map(visible))).toEqual([undefined, undefined]);
  // The log has its ref already, and nobody has cosigned that.
  expect(await audited()).toMatchObject({ code: 12, stdout: expect.stringContaining('unwitnessed: log:') });

  const stop = await start();
  const resumed = await world.nightly('resume');
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(await records(world)).toMatchObject([{ 'atomic-nightly.state': 'complete' }]);
  const commit = await pulled(world, join(world.dir, 'client'));
  expect(await audited()).toMatchObject({ code: 0 });
  await stop();

  await world.distro.bump('app');
  await configureService(world, ['retry: {times: 20, wait: 1s}']);
  // Once, as soon as the service is up.
  const at = new Date(Date.now() + 8000);
  const cron = `${at.getUTCSeconds()} ${at.getUTCMinutes()} ${at.getUTCHours()} * * *`;
  const schedule = `    schedule: {cron: '${cron}', time-zone: UTC, jitter: 1s}\n`;
  await reconfigure(world, (text) => text.replace('    treefile:', `${schedule}    treefile:`));
  const before = await visible('builds/builds.json');
  const service = await startServe(world);
  onTestFinished(() => endService(service, world));
  const builds = join(world.dir, 'work/builds');
  const second = async (): Promise<string | undefined> => {
    const id = (await readdir(builds)).sort()[1] ?? '';
    const record = await ifThere(readFile(join(builds, id, 'x86_64/meta.json'), 'utf8'));
    return record && JSON.parse(record)['atomic-nightly.state'];
  };
  await until(async () => (await second()) === 'incomplete');
  expect(await visible('builds/builds.json')).toBe(before);
  expect(await pulled(world, join(world.dir, 'client-2'))).toBe(commit);
  await start();
  await service.until(/continues 20\d{6}_02/);
  await until(async () => (await second()) === 'complete');
  expect(await pulled(world, join(world.dir, 'client-3'))).not.toBe(commit);
  expect(await audited()).toMatchObject({ code: 0 });
}, 300_000);
