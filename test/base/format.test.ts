import { expect, test } from 'vitest';
import { formatBytes, formatProgress, formatSeconds } from '../../src/base/format.ts';

test('numbers are written for people', () => {
  expect(formatBytes(999)).toBe('999 B');
  expect(formatBytes(214_300_000)).toBe('214.3 MB');
  expect(formatSeconds(0.34)).toBe('0.3 s');
  expect(formatSeconds(59.6)).toBe('1 min 00 s');
  expect(formatSeconds(185)).toBe('3 min 05 s');
  expect(formatProgress(12, 243, 'packages')).toBe('12/243 packages');
  expect(formatProgress(1_500_000, 3_000_000, 'bytes')).toBe('1.5 MB of 3.0 MB');
});
