import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { runningLimit } from '../../src/base/running-time.ts';
import { isStopped } from '../support/processes.ts';
import { until } from '../support/until.ts';

const loader = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href;
const exec = new URL('../../src/programs/exec.ts', import.meta.url).href;

test('K7: what a program did in time is taken although this one was stopped meanwhile, as by Ctrl-Z', async () => {
  const script = `
    const { run } = await import(${JSON.stringify(exec)});
    const asked = run('sh', ['-c', 'sleep 4.5; echo done'], { timeoutMs: 5000 });
    process.kill(process.pid, 'SIGSTOP');
    console.log((await asked).stdout.trim());`;
  const args = ['--import', loader, '--input-type=module', '--eval', script];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const printed = child.stdout.toArray();
  const ended = once(child, 'exit');
  await until(() => isStopped(child.pid ?? 0));
  await pause(7000);
  child.kill('SIGCONT');
  expect(await ended).toEqual([0, null]);
  expect(Buffer.concat(await printed).toString()).toBe('done\n');
});

test('K7: a limit is spent once the time is over, later when that began anew, and not at all when it was ended', async () => {
  const begun = performance.now();
  const spent: string[] = [];
  const kept = runningLimit(100, () => spent.push('kept'));
  const renewed = runningLimit(100, () => spent.push('renewed'));
  const ended = runningLimit(100, () => spent.push('ended'));
  ended.end();
  await pause(60);
  renewed.again();
  const from = performance.now();
  await until(() => spent.includes('renewed'));
  expect(performance.now() - from).toBeGreaterThanOrEqual(99);
  expect(performance.now() - begun).toBeGreaterThanOrEqual(159);
  expect(spent).toEqual(['kept', 'renewed']);
  kept.end();
});
