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

  // A file of some kilobytes may become more than the memory holds.
  await writeFile(join(dir, 'bomb.xml'), Buffer.alloc(20_000_000));
  await run(program, ['-q', join(dir, 'bomb.xml')]);
  const bomb = decompressText(
    `bomb.xml.${end}`,
    await readFile(join(dir, `bomb.xml.${end}`)),
    testTask(dir),
    1_000_000,
  );
  await expect(bomb).rejects.toThrow(/^it is cut short or damaged.*(printed more than is taken|larger than 1000000)/);
});
