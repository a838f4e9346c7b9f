import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { processPlace } from '../../src/base/boot-id.ts';
import type { LockHolder } from '../../src/run/run-lock.ts';
import { signalHolder } from '../../src/run/signal-holder.ts';
import { isUnderWay } from '../../src/run/under-way.ts';
import { fullMeta } from '../support/build-meta.ts';
import { isStopped } from '../support/processes.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';

const HOUR = 3_600_000;

/** A process that waits, a lock record that names it, and how it ended. */
function held(change: Partial<LockHolder> = {}) {
  const work = temporaryFolder();
  const child = spawn('sleep', ['1000']);
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('exit', (_, signal) => resolve(signal)));
  const now = new Date().toISOString();
  const place = { ...processPlace(), pid: child.pid ?? 0 };
  const holder: LockHolder = { ...place, host: 'here', command: 'nightly', since: now, ...change };
  writeFileSync(join(work, 'lock.json'), JSON.stringify(holder));
  return { work, holder, child, ended };
}

test('the process that the lock names is sent the signal', async () => {
  const { work, holder, ended } = held();
  expect(await signalHolder(work, holder, 'SIGINT')).toBe(true);
  expect(await ended).toBe('SIGINT');
});

test('K7: one that was stopped, as by Ctrl-Z, takes it too', async () => {
  const { work, holder, child, ended } = held();
  child.kill('SIGSTOP');
  await until(() => isStopped(holder.pid));
  expect(await signalHolder(work, holder, 'SIGINT')).toBe(true);
  expect(await ended).toBe('SIGINT');
});

test.each<[string, Partial<LockHolder>, string]>([
  [
    'on another machine',
    { boot: 'another', host: 'elsewhere' },
    'The run was started on elsewhere: "nightly", process ',
  ],
  ['in another container', { pids: 'pid:[1]' }, 'The run is in another container: '],
  ['of a damaged record', { pid: 0, host: 'unknown' }, 'It is not known which process has the lock of '],
])('a run %s is named and left alone', async (_, change, message) => {
  const { work, holder, child } = held(change);
  await expect(signalHolder(work, holder, 'SIGKILL')).rejects.toMatchObject({
    code: 'locked',
    message: expect.stringContaining(message),
  });
  expect(child.exitCode ?? child.signalCode).toBeNull();
});

test('a process that has the number of one that ended, or a lock that somebody else has by now, is left alone', async () => {
  const later = held({ since: new Date(Date.now() - HOUR).toISOString() });
  expect(await signalHolder(later.work, later.holder, 'SIGKILL')).toBe(false);
  expect(later.child.exitCode ?? later.child.signalCode).toBeNull();
  const other = held();
  expect(await signalHolder(other.work, { ...other.holder, since: '2026-01-01T00:00:00Z' }, 'SIGKILL')).toBe(false);
  expect(other.child.exitCode ?? other.child.signalCode).toBeNull();
});

test('a build is under way when its journal grows, or the holder of the lock names it; not when it was killed before', () => {
  const meta = { ...fullMeta('20261130_01'), state: 'running' } as const;
  const since = '2026-11-30T01:00:00Z';
  const at = (time: string) => [{ at: time, event: 'start', step: 'compose', input: '' }] as const;
  const [before, after] = [at('2026-11-30T00:00:00Z'), at('2026-11-30T01:00:01Z')];
  expect(isUnderWay({ meta }, after, { command: 'nightly', since })).toBe(true);
  expect(isUnderWay({ meta }, before, { command: 'nightly', since })).toBe(false);
  expect(isUnderWay({ meta }, before, { command: 'resume 20261130_01', since })).toBe(true);
  expect(isUnderWay({ meta }, [], { command: 'nightly', since })).toBe(true);
  expect(isUnderWay({ meta }, after, undefined)).toBe(false);
});
