import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { decompressText } from '../../src/programs/decompress.ts';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

it.each([
  ['gzip', 'gz'],
  ['xz', 'xz'],
  ['zstd', 'zst'],
  ['bzip2', 'bz2'],
])('reads what %s wrote', async (program, end) => {
  const dir = temporaryFolder();
  const text = 'Äpfel\n'.repeat(1000);
  await writeFile(join(dir, 'a.xml'), text);
  await run(program, ['--keep', '-q', join(dir, 'a.xml')]);
  expect(await decompressText(`a.xml.${end}`, await readFile(join(dir, `a.xml.${end}`)), testTask(dir))).toBe(text);
  const damaged = decompressText(`a.xml.${end}`, Buffer.from('no such thing'), testTask(dir));
  await expect(damaged).rejects.toThrow();
});
