import { expect, test } from 'vitest';
import { formatBytes, formatCount, formatProgress, formatSeconds } from '../../src/base/format.ts';
import { gistOf } from '../../src/base/one-line.ts';

test('numbers are written for people', () => {
  expect(formatBytes(999)).toBe('999 B');
  expect(formatBytes(214_300_000)).toBe('214.3 MB');
  expect(formatSeconds(0.34)).toBe('0.3 s');
  expect(formatSeconds(59.6)).toBe('1 min 00 s');
  expect(formatSeconds(185)).toBe('3 min 05 s');
  expect(formatProgress(12, 243, 'packages')).toBe('12/243 packages');
  expect(formatProgress(1_500_000, 3_000_000, 'bytes')).toBe('1.5 MB of 3.0 MB');
  expect([1, 2].map((count) => formatCount(count, 'ref'))).toEqual(['1 ref', '2 refs']);
  expect([0, 1].map((count) => formatCount(count, 'entry', 'entries'))).toEqual(['0 entries', '1 entry']);
});

test('the gist of a message that introduces a list has the first of it', () => {
  expect(gistOf('It failed.\nmore')).toBe('It failed.');
  expect(gistOf('Packages not found:\n  hostnam (my.yaml:9)')).toBe('Packages not found: hostnam (my.yaml:9)');
  expect(gistOf('Not signed:\n  a\n  b\n  c')).toBe('Not signed: a, and 2 more');
  expect(gistOf('This ends in a colon:')).toBe('This ends in a colon:');
});
