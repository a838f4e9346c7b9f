import { expect, test } from 'vitest';
import type { JournalEntry } from '../../../src/build/journal.ts';
import { stepTimes, workingSeconds } from '../../../src/reports/pages/times.ts';

const at = (seconds: number): string => new Date(seconds * 1000).toISOString();
const start = (step: string, seconds: number): JournalEntry => ({ at: at(seconds), event: 'start', step, input: 'i' });
const done = (step: string, seconds: number): JournalEntry => ({
  ...{ at: at(seconds), event: 'done', step, input: 'i', seconds: 0 },
});
const failed = (step: string, seconds: number): JournalEntry => ({
  ...{ at: at(seconds), event: 'failed', step, input: 'i', seconds: 0, code: 'image', message: 'broken' },
});

test('steps side by side count once, pauses before a resume and what a kill cut off not at all', () => {
  const entries = [start('a', 0), start('b', 5), done('a', 10), done('b', 20), start('c', 20)];
  expect(workingSeconds(entries)).toBe(20);
  expect(workingSeconds(entries, 26_000)).toBe(26);
  const resumed = [
    ...entries,
    start('c', 1000),
    done('c', 1007),
    { at: at(1007), event: 'end', state: 'complete' } as const,
  ];
  expect(workingSeconds(resumed)).toBe(27);
});

test('a step stands as its last attempt left it', () => {
  const entries = [start('a', 0), failed('a', 2), start('b', 3), start('a', 100), done('a', 104), start('d', 105)];
  expect(stepTimes(entries, 99_000)).toEqual([
    { step: 'a', state: 'done', start: 100_000, end: 104_000 },
    { step: 'b', state: 'cut off', start: 3000 },
    { step: 'd', state: 'running', start: 105_000 },
  ]);
});
