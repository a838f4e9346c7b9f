import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { COMMITS, type GuestWorld, makeGuestWorld } from '../support/guest-world.ts';
import { processesWith } from '../support/processes.ts';
import { sharedFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { program } from '../support/world.ts';

const dir = sharedFolder();
let world: GuestWorld;
beforeAll(async () => {
  world = await makeGuestWorld(dir);
});

const image = () => readFileSync(join(dir, 'work/builds', world.ids[1], 'x86_64/images/mini.qcow2'));
const qemus = () => processesWith(join(dir, 'bin/qemu-system-x86_64'), '-nodefaults').length;

test('a command runs in the guest with its output and exit code; the image stays as it was, and nothing is left', async () => {
  const before = image();
  const { code, stdout, stderr } = await world.cli(
    'run',
    'latest',
    '--memory',
    '700',
    '--ssh',
    'echo in; echo err >&2; exit 7',
  );
  expect(code, stderr).toBe(7);
  expect(stdout).toBe('in\n');
  expect(stderr).toMatch(/^err$/m);
  expect(image().equals(before)).toBe(true);
  expect(world.leftovers()).toEqual([]);
  const argv = readFileSync(join(dir, 'stand-in/argv'), 'utf8').split('\n').at(-2);
  expect(argv).toContain(' -m 700 ');
  expect(argv).not.toContain('mini.qcow2');
});

test('an upgrade boots the image of the earlier build and ends on the other, by that very commit', async () => {
  const args = ['run', world.ids[1], '--upgrade-from', '-2', '--ssh', 'ostree admin status', '--json'];
  const { code, stdout, stderr } = await world.cli(...args);
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ build: world.ids[1], 'upgraded-from': world.ids[0], 'exit-code': 0 },
    stdout: expect.stringContaining(`* mini ${COMMITS[1]}.0`),
  });
});

test('a guest that does not boot is exit code 12, and its serial log stays until the next one', async () => {
  writeFileSync(join(dir, 'stand-in/panics'), '');
  const { code, stderr } = await world.cli('run', 'latest', '--ssh', 'true');
  rmSync(join(dir, 'stand-in/panics'));
  expect(code).toBe(12);
  expect(stderr).toContain('Kernel panic');
  expect(readFileSync(/log: (\S+)/.exec(stderr)?.[1] ?? '', 'utf8')).toContain('Kernel panic');
});

/** Starts `run` without a command. @returns the process, once it has said how to reach the guest */
async function waiting() {
  const child = world.start('run', 'latest');
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  const ended = new Promise<number | null>((settle) => child.once('exit', settle));
  await until(() => said.includes('thrown away'));
  return { child, ended, said };
}

test('without a command it says how to reach the guest, and ends with it when it is interrupted', async () => {
  const { child, ended, said } = await waiting();
  expect(said).toMatch(/^ {2}ssh -p \d+ -i \S+\/key .* nightly@127\.0\.0\.1$/m);
  expect(qemus()).toBe(1);
  child.kill('SIGINT');
  expect(await ended).toBe(0);
  expect(qemus()).toBe(0);
  expect(world.leftovers()).toEqual([]);
});

test('I4 what a killed one leaves, its machine too, is gone after the next', async () => {
  const { child, ended } = await waiting();
  child.kill('SIGKILL');
  await ended;
  expect(qemus()).toBe(1);
  expect(world.leftovers()).toHaveLength(2);
  expect((await world.cli('run', 'latest', '--ssh', 'true')).code).toBe(0);
  await until(() => qemus() === 0);
  expect(world.leftovers()).toEqual([]);
});

test('on a terminal it is the console, logged in; Ctrl-] leaves', async () => {
  const command = `${process.execPath} ${program} run latest`;
  const child = spawn('script', ['-qefc', command, '/dev/null'], { cwd: dir, env: { ...process.env, ...world.env } });
  let seen = '';
  child.stdout.on('data', (chunk) => {
    seen += chunk;
  });
  const ended = new Promise<number | null>((settle) => child.once('exit', settle));
  await until(() => seen.includes('Welcome to mini'));
  expect(seen).toMatch(/user nightly, password [0-9a-f]{12}/);
  child.stdin.write('\u001d');
  expect(await ended, seen).toBe(0);
  expect(qemus()).toBe(0);
  expect(world.leftovers()).toEqual([]);
});
