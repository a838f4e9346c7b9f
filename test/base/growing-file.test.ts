import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { growingFile } from '../../src/base/growing-file.ts';
import { temporaryFolder } from '../support/tmp.ts';

test('whole lines are returned once, whatever the pieces they are written in', async () => {
  const path = join(temporaryFolder(), 'log');
  const file = growingFile(path);
  expect(await file.lines()).toEqual([]);
  const euro = Buffer.from('20 €\n');
  writeFileSync(path, Buffer.concat([Buffer.from('one\n\n'), euro.subarray(0, 4)]));
  expect(await file.lines()).toEqual(['one', '']);
  appendFileSync(path, euro.subarray(4));
  appendFileSync(path, 'rest');
  expect(await file.lines()).toEqual(['20 €']);
  expect(await file.lines()).toEqual([]);
  expect(await file.rest()).toBe('rest');
});

test('of what is there already only the last lines count when asked so; what was written anew is read from its start', async () => {
  const path = join(temporaryFolder(), 'log');
  writeFileSync(path, 'a\nb\nc\n');
  const file = growingFile(path, 2);
  expect(await file.lines()).toEqual(['b', 'c']);
  appendFileSync(path, 'd\ne\nf\n');
  expect(await file.lines()).toEqual(['d', 'e', 'f']);
  writeFileSync(path, 'g\n');
  expect(await file.lines()).toEqual(['g']);
});

test('a file of many megabytes with lines longer than what is read at once loses nothing', async () => {
  const path = join(temporaryFolder(), 'log');
  writeFileSync(path, `${'x'.repeat(3 << 20)}\n${'short line\n'.repeat(200_000)}`);
  const lines = await growingFile(path).lines();
  expect(lines.filter((line) => line === 'short line')).toHaveLength(200_000);
  expect(lines.filter((line) => line.startsWith('x')).join('')).toHaveLength(3 << 20);
});
