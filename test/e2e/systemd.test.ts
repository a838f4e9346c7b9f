import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { bootMachine, type Machine } from '../support/nspawn.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records, type World } from '../support/world.ts';

const PROJECT = new URL('../..', import.meta.url).pathname;
const UNITS = join(PROJECT, 'systemd');

/** What systemd knows of the service. */
async function properties(machine: Machine, unit: string, ...names: readonly string[]): Promise<string[]> {
  const said = await machine.inside('systemctl', 'show', unit, ...names.map((name) => `--property=${name}`));
  const values = new Map(said.split('\n').map((line) => [line.split('=', 1)[0], line.slice(line.indexOf('=') + 1)]));
  return names.map((name) => values.get(name) ?? '');
}

const states = async (world: World) => (await records(world)).map((build) => build['atomic-nightly.state']);

/** A machine with the program, its units as they are shipped but for the drop-ins, and a world at /srv/atomic. */
async function machineWith(
  stream: readonly string[],
  dropIns: Readonly<Record<string, string>>,
): Promise<{ readonly machine: Machine; readonly world: World; readonly port: number }> {
  const dir = temporaryFolder();
  const world = await makeWorld(join(dir), { images: ['generic-cloud'], stream });
  onTestFinished(() => world.stop());
  const port = await freePort();
  const there = (text: string): string =>
    text.replaceAll(world.dir, '/srv/atomic').replaceAll(': ./', ': /srv/atomic/');
  await writeFile(world.distro.repoFile, there(await readFile(world.distro.repoFile, 'utf8')));
  const config = `${there(await readFile(world.config, 'utf8'))}service: {listen: '127.0.0.1:${port}'}\n`;
  const unit = async (name: string) => [`/etc/systemd/system/${name}`, await readFile(join(UNITS, name), 'utf8')];
  const units = await Promise.all(
    ['atomic-nightly.service', 'atomic-nightly@.service', 'atomic-nightly@.timer'].map(unit),
  );
  const machine = await bootMachine(temporaryFolder(), {
    files: {
      ...Object.fromEntries(units),
      ...Object.fromEntries(
        Object.entries(dropIns).map(([name, text]) => [`/etc/systemd/system/${name}.d/test.conf`, text]),
      ),
      '/usr/bin/atomic-nightly': `#!/bin/sh\nexec ${process.execPath} /opt/atomic-nightly/bin/atomic-nightly.js "$@"\n`,
      '/etc/atomic-nightly/atomic-nightly.yaml': config,
    },
    binds: { '/srv/atomic': world.dir, '/opt/atomic-nightly': PROJECT },
  });
  return { machine, world, port };
}

test('systemd starts the service, sees that it is ready and alive, and a night that is cut short goes on', async () => {
  const { machine, world, port } = await machineWith(["schedule: {cron: '*/20 * * * * *'}"], {
    'atomic-nightly.service': '[Service]\nWatchdogSec=6s\n',
  });
  const systemctl = (...args: string[]) => machine.inside('systemctl', ...args);
  const running = () => properties(machine, 'atomic-nightly', 'ActiveState', 'SubState', 'StatusText');

  // Type=notify: the command ends once the service has said that it is ready.
  await systemctl('start', 'atomic-nightly');
  expect(await running()).toEqual(['active', 'running', `listening on http://127.0.0.1:${port}`]);
  await expect.poll(() => states(world), { timeout: 120_000, interval: 20 }).toEqual(['running']);

  // Both the service and its night are killed; the next service goes on with it.
  await systemctl('kill', '--signal=SIGKILL', 'atomic-nightly');
  await expect.poll(async () => (await states(world))[0], { timeout: 180_000, interval: 200 }).toBe('complete');
  expect(await properties(machine, 'atomic-nightly', 'NRestarts')).toEqual(['1']);
  await expect.poll(async () => (await states(world))[1], { timeout: 60_000, interval: 200 }).toBe('unchanged');

  // It lives on while it says so, and is started again when it no longer does.
  const before = await properties(machine, 'atomic-nightly', 'MainPID', 'NRestarts');
  await new Promise((settle) => setTimeout(settle, 13_000));
  expect(await properties(machine, 'atomic-nightly', 'MainPID', 'NRestarts')).toEqual(before);
  await systemctl('kill', '--kill-who=main', '--signal=SIGSTOP', 'atomic-nightly');
  await expect
    .poll(() => properties(machine, 'atomic-nightly', 'NRestarts', 'SubState'), { timeout: 60_000, interval: 200 })
    .toEqual(['2', 'running']);
  expect(await machine.inside('journalctl', '--unit=atomic-nightly', '--output=cat')).toContain('Watchdog timeout');

  // A stop in the middle of a night interrupts it, and the next start goes on.
  await world.distro.bump('app');
  const last = async () => (await records(world)).at(-1);
  await expect
    .poll(async () => (await last())?.['atomic-nightly.state'], { timeout: 120_000, interval: 20 })
    .toBe('running');
  const cut = (await last())?.['buildid'];
  await systemctl('stop', 'atomic-nightly');
  expect(await properties(machine, 'atomic-nightly', 'ActiveState', 'Result')).toEqual(['inactive', 'success']);
  const stateOf = async () => (await records(world)).find(({ buildid }) => buildid === cut)?.['atomic-nightly.state'];
  expect(['interrupted', 'complete']).toContain(await stateOf());
  await systemctl('start', 'atomic-nightly');
  await expect.poll(stateOf, { timeout: 180_000, interval: 200 }).toBe('complete');
  await systemctl('stop', 'atomic-nightly');
});

test('a timer begins nights without the service; one with nothing to do is no failure, and a broken one is', async () => {
  const { machine, world } = await machineWith([], {
    'atomic-nightly@nightly.timer':
      '[Timer]\nOnCalendar=\nOnCalendar=*:*:0/10\nRandomizedDelaySec=0\nAccuracySec=1s\nPersistent=false\n',
  });
  const night = 'atomic-nightly@nightly.service';
  await machine.inside('systemctl', 'start', 'atomic-nightly@nightly.timer');
  await expect
    .poll(() => states(world), { timeout: 240_000, interval: 200 })
    .toEqual(expect.arrayContaining(['complete', 'unchanged']));
  await machine.inside('systemctl', 'stop', 'atomic-nightly@nightly.timer');
  await expect
    .poll(() => properties(machine, night, 'ActiveState', 'Result'), { timeout: 60_000, interval: 200 })
    .toEqual(['inactive', 'success']);
  const journal = await machine.inside('journalctl', `--unit=${night}`, '--output=cat');
  expect(journal).toMatch(/Unchanged: .*(.*\n)*Finished /);
  expect(journal).not.toContain('Failed');

  await world.distro.bumpBroken('app');
  const [code] = await machine.tried('systemctl', 'start', night);
  expect(code).not.toBe(0);
  expect(await properties(machine, night, 'ActiveState', 'Result', 'ExecMainStatus')).toEqual([
    'failed',
    'exit-code',
    '1',
  ]);
  expect((await states(world)).at(-1)).toBe('failed');
});
