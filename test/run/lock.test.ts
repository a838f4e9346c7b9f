import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { withTemporaryFolder, writeFileAtomic } from '../../src/base/files.ts';
import { temporaryPrefix } from '../../src/base/temporary.ts';
import { run, start } from '../../src/programs/exec.ts';
import { tryFlock } from '../../src/programs/flock.ts';
import { isRunLockHeld, takeRunLock } from '../../src/run/run-lock.ts';
import { mountTmpfs } from '../support/mounts.ts';
import { isAlive } from '../support/processes.ts';
import { temporaryFolder } from '../support/tmp.ts';

const lockModule = new URL('../../src/run/run-lock.ts', import.meta.url).href;
const flockModule = new URL('../../src/programs/flock.ts', import.meta.url).href;
const filesModule = new URL('../../src/base/files.ts', import.meta.url).href;
const execModule = new URL('../../src/programs/exec.ts', import.meta.url).href;

/** Another program that takes the lock, starts a long child, says both pids and waits. */
async function holder(folder: string) {
  const script = `
    const { takeRunLock } = await import(${JSON.stringify(lockModule)});
    const { start } = await import(${JSON.stringify(execModule)});
    await takeRunLock(${JSON.stringify(folder)}, 'nightly --stream x');
    const child = await start('sleep', ['300']);
    console.log(child.pid);
    setInterval(() => {}, 1000);`;
  const process_ = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const childPid = await new Promise<number>((resolve) =>
    process_.stdout.once('data', (text) => resolve(Number(text))),
  );
  return { process: process_, childPid };
}

test('a second run is told who has the lock', async () => {
  const folder = temporaryFolder();
  const lock = await takeRunLock(folder, 'nightly --stream a');
  await expect(takeRunLock(folder, 'nightly --stream b')).rejects.toMatchObject({
    code: 'locked',
    message: expect.stringContaining(`"nightly --stream a", process ${process.pid}`),
  });
  await lock.release();
  await (await takeRunLock(folder, 'again')).release();
});

test('I15: no other user can hold the lock, and who holds the file that looks are made at keeps no run out', async () => {
  const folder = temporaryFolder();
  await run('chmod', ['755', folder]);
  await (await takeRunLock(folder, 'first')).release();
  // As an earlier version made it.
  await run('chmod', ['644', join(folder, 'lock')]);
  await (await takeRunLock(folder, 'second')).release();
  const asNobody = (file: string) =>
    start('setpriv', [
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      'flock',
      '--nonblock',
      join(folder, file),
      'sleep',
      '300',
    ]);
  const refused = await asNobody('lock');
  // Of flock(1): the file cannot be opened.
  expect(await refused.exited).toBe(66);
  const other = await asNobody('lock.held');
  await expect.poll(() => isRunLockHeld(folder)).toBe(true);
  await (await takeRunLock(folder, 'third')).release();
  await other.stop();
  expect(await isRunLockHeld(folder)).toBe(false);
});

test('I7: a full disk keeps nobody from the lock, for what makes room needs it; one that cannot be written to any more frees it', async () => {
  const folder = temporaryFolder();
  await mountTmpfs(folder, 'size=64k');
  const full = (fill: boolean) =>
    fill ? run('dd', ['if=/dev/zero', `of=${folder}/fill`], { okExitCodes: [1] }) : run('rm', [join(folder, 'fill')]);
  await (await takeRunLock(folder, 'first')).release();
  await full(true);
  const whileFull = await takeRunLock(folder, 'gc');
  expect(await isRunLockHeld(folder)).toBe(true);
  await expect(takeRunLock(folder, 'nightly')).rejects.toMatchObject({ code: 'locked' });
  await whileFull.release();
  expect(await isRunLockHeld(folder)).toBe(false);
  // Written into a file that is open: the system names none, and what was begun is gone again.
  const content = 'x'.repeat(100_000);
  const message = expect.stringContaining(join(folder, 'record.json'));
  await expect(writeFileAtomic(join(folder, 'record.json'), content)).rejects.toMatchObject({
    code: 'ENOSPC',
    message,
  });
  expect(readdirSync(folder).sort()).toEqual(['fill', 'lock', 'lock.held']);
  await full(false);
  const lock = await takeRunLock(folder, 'nightly');
  await run('mount', ['-o', 'remount,ro', folder]);
  await expect(lock.release()).rejects.toMatchObject({ code: 'EROFS' });
  await run('mount', ['-o', 'remount,rw', folder]);
  expect(await isRunLockHeld(folder)).toBe(false);
});

test('I7: a folder for temporary files that is not there is told as that', () => {
  expect(() => temporaryPrefix('work', '/not/there')).toThrow(
    'The folder for temporary files is not there: /not/there.',
  );
});

test('I7: who fails while it has a lock ends, and the lock is free then', async () => {
  const path = join(temporaryFolder(), 'lock');
  const script = `
    const { tryFlock } = await import(${JSON.stringify(flockModule)});
    console.log(typeof (await tryFlock(${JSON.stringify(path)})));`;
  const { stdout } = await run(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
  expect(stdout).toBe('function\n');
  await (await retried(async () => (await tryFlock(path)) ?? Promise.reject(new Error('held'))))();
});

test('what this program started beside an earlier run is no leftover of it', async () => {
  const folder = temporaryFolder();
  const first = await takeRunLock(folder, 'nightly');
  const beside = await start('sh', ['-c', 'sleep 300; true']);
  await first.release();
  try {
    await (await takeRunLock(folder, 'nightly')).release();
    expect(isAlive(beside.pid)).toBe(true);
  } finally {
    await beside.stop();
  }
});

test('I4: SIGKILL of the holder frees the lock, and its leftover children are ended by the next holder', async () => {
  const folder = temporaryFolder();
  const other = await holder(folder);
  await expect(takeRunLock(folder, 'mine')).rejects.toMatchObject({ code: 'locked' });
  expect(isAlive(other.childPid)).toBe(true);
  other.process.kill('SIGKILL');
  await new Promise((resolve) => other.process.once('exit', resolve));
  expect(isAlive(other.childPid)).toBe(true);
  const lock = await retried(() => takeRunLock(folder, 'mine'));
  await sleep(50);
  expect(isAlive(other.childPid)).toBe(false);
  expect(JSON.parse(readFileSync(join(folder, 'lock.json'), 'utf8'))).toMatchObject({ pid: process.pid });
  await lock.release();
});

test('I4: an agent that gpg started for a home of keys below the work folder ends with the run; that of other keys stays', async () => {
  const [folder, elsewhere] = [temporaryFolder(), temporaryFolder()];
  const homes = [join(folder, 'cache/pubring'), join(elsewhere, 'own')];
  for (const home of homes) mkdirSync(home, { recursive: true, mode: 0o700 });
  const lock = await takeRunLock(folder, 'nightly');
  const pids: number[] = [];
  try {
    for (const home of homes) {
      // Starts one as every program of gpg does that needs it, dnf's check of repository metadata among them.
      const { stdout } = await run('gpg-connect-agent', ['--homedir', home, 'getinfo pid', '/bye']);
      pids.push(Number(/^D (\d+)/m.exec(stdout)?.[1]));
    }
    expect(pids.map(isAlive)).toEqual([true, true]);
    await lock.release();
    await expect.poll(() => pids.map(isAlive), { timeout: 10_000 }).toEqual([false, true]);
  } finally {
    await run('gpgconf', ['--homedir', homes[1] ?? '', '--kill', 'all']);
  }
});

test('I4: the next holder removes the temporary folders of a run that was killed, and no others', async () => {
  const folder = temporaryFolder();
  const script = `
    const { withTemporaryFolder } = await import(${JSON.stringify(filesModule)});
    await withTemporaryFolder((folder) => { console.log(folder); return new Promise(() => setInterval(() => {}, 1000)); });`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const left = await new Promise<string>((settle) => child.stdout.once('data', (text) => settle(String(text).trim())));
  const others = [mkdtempSync(join(tmpdir(), 'atomic-nightly-work-')), `${left.slice(0, -7)}-other`];
  mkdirSync(others[1] ?? '');
  try {
    await withTemporaryFolder(async (mine) => {
      await (await takeRunLock(folder, 'one')).release();
      // Of a process that lives: this one, and that one.
      expect([mine, left, ...others].map((path) => existsSync(path))).toEqual([true, true, true, true]);
      child.kill('SIGKILL');
      await new Promise((settle) => child.once('exit', settle));
      await (await takeRunLock(folder, 'two')).release();
      expect([mine, left, ...others].map((path) => existsSync(path))).toEqual([true, false, true, true]);
    });
  } finally {
    for (const other of others) rmSync(other, { recursive: true, force: true });
  }
});

/** The kernel closes the dead holder's pipe at once, but its flock child needs a moment to see it. */
async function retried<T>(action: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await action();
    } catch (error) {
      if (attempt === 40) throw error;
      await sleep(50);
    }
  }
}
