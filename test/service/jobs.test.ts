import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addJob,
  afterAttempt,
  dueJob,
  newJob,
  nextDue,
  type Result,
  resultOfExit,
  withinReach,
} from '../../src/service/jobs.ts';
import type { Job } from '../../src/service/service-state.ts';

const NOW = new Date('2026-11-21T02:00:00Z');
const later = (seconds: number): Date => new Date(NOW.getTime() + seconds * 1000);
const RETRY = { times: 2, waitSeconds: 600 };
const job: Job = { ...newJob('nightly', 'schedule', NOW), attempt: { since: NOW.toISOString() } };

const after = (result: Result, from: Job = job, unseen = false): Job | undefined =>
  afterAttempt(from, { result, build: '20261121_01', unseen }, RETRY, NOW);

test('I7: exit codes are told apart', () => {
  const codes = [0, 1, 2, 10, 11, 12, 130, null];
  expect(codes.map(resultOfExit)).toEqual([
    ...['complete', 'failed', 'usage', 'unchanged', 'locked', 'gate-failed', 'interrupted', 'killed'],
  ]);
});

test.each(['complete', 'unchanged', 'gate-failed', 'usage'] as const)('%s: nothing is tried again', (result) => {
  expect(after(result)).toBeUndefined();
});

test('a failed night is gone on with, with a longer wait each time, so often and no more', () => {
  const first = after('failed');
  expect(first).toMatchObject({ build: '20261121_01', failures: 1, notBefore: later(600).toISOString() });
  expect(first?.attempt).toBeUndefined();
  const second = first && after('failed', first);
  expect(second).toMatchObject({ failures: 2, notBefore: later(1200).toISOString() });
  expect(second && after('failed', second)).toBeUndefined();
});

test('an interruption is gone on with when the service is the reason, not when a person is', () => {
  expect(after('interrupted')).toBeUndefined();
  expect(after('interrupted', job, true)).toMatchObject({
    build: '20261121_01',
    failures: 0,
    notBefore: NOW.toISOString(),
  });
});

test('locked: the same again, which waits for the lock', () => {
  const { attempt, ...rest } = job;
  expect(afterAttempt(job, { result: 'locked', unseen: false }, RETRY, NOW)).toEqual(rest);
});

test('a run that is killed three times in a row is given up', () => {
  const first = after('killed', job, true);
  expect(first).toMatchObject({ kills: 1, failures: 0, notBefore: NOW.toISOString() });
  const second = first && after('killed', first);
  expect(second).toMatchObject({ kills: 2, notBefore: later(600).toISOString() });
  expect(second && after('killed', second)).toBeUndefined();
});

test('requests for one stream are one night, at the earliest of their times', () => {
  const asked = fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: 1 });
  fc.assert(
    fc.property(asked, (times) => {
      const jobs = times.reduce<Job[]>((all, time) => addJob(all, newJob('nightly', 'trigger', later(time))), []);
      expect(jobs).toHaveLength(1);
      expect(nextDue(jobs)).toEqual(later(Math.min(...times)));
    }),
  );
});

test('a request while a night runs, or waits for another try, is a night of its own', () => {
  const retry = after('failed') ?? job;
  const jobs = addJob([job, retry], newJob('nightly', 'trigger', NOW));
  expect(jobs).toHaveLength(3);
  expect(addJob(jobs, newJob('other', 'trigger', NOW))).toHaveLength(4);
});

test('the job that is due longest runs first, one at a time', () => {
  const [a, b, c] = [
    newJob('a', 'trigger', later(-5)),
    newJob('b', 'trigger', later(-9)),
    newJob('c', 'trigger', later(1)),
  ];
  expect(dueJob([a, b, c], NOW)).toBe(b);
  expect(dueJob([c], NOW)).toBeUndefined();
  expect(dueJob([a, b, job], NOW)).toBeUndefined();
});

test('a time that a clock gave which was ahead is corrected: no stream waits for it', () => {
  const [soon, far] = [newJob('nightly', 'trigger', later(600)), newJob('other', 'schedule', later(400 * 86_400))];
  expect(withinReach([soon], NOW, 600_000)).toEqual([soon]);
  expect(withinReach([soon, far], NOW, 600_000)).toEqual([soon, { ...far, notBefore: NOW.toISOString() }]);
  expect(dueJob(withinReach([soon, far], NOW, 600_000), NOW)?.id).toBe(far.id);
});
