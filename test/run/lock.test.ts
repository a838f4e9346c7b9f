import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { takeRunLock } from '../../src/run/run-lock.ts';
import { isAlive } from '../support/processes.ts';
import { temporaryFolder } from '../support/tmp.ts';

const lockModule = new URL('../../src/run/run-lock.ts', import.meta.url).href;
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
