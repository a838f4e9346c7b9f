import { appendFileSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { publishFiles } from '../../src/publish/publish-files.ts';
import { type Bed, directoryBed, rrsyncBed, sshBed } from '../support/target-beds.ts';
import { testTask } from '../support/tmp.ts';

it.each<[string, () => Promise<Bed>]>([
  ['ssh', sshBed],
  ['rsync', rrsyncBed],
  ['a directory', directoryBed],
])(
  'K7: a log that grows while it is sent to %s, by steps beside it or by the step that sends it, fails no publication',
  async (_, open) => {
    const { dir, far = '', source, target } = await open();
    const path = 'builds/x/logs/share.log';
    await mkdir(join(source, 'builds/x/logs'), { recursive: true });
    await writeFile(join(source, path), 'x'.repeat(8_000_000));
    const line = 'y'.repeat(4000);
    const growing = setInterval(() => appendFileSync(join(source, path), line), 1);
    try {
      for (let time = 0; time < 5; time += 1) {
        await publishFiles(source, { fixed: [], records: [path] }, target, testTask(dir));
        const sent = (await stat(join(far, path))).size;
        expect(sent).toBeGreaterThanOrEqual(8_000_000);
      }
    } finally {
      clearInterval(growing);
    }
    const text = await readFile(join(far, path), 'utf8');
    expect(text.slice(7_999_999, 8_000_001)).toBe('xy');
    expect(text.endsWith('y')).toBe(true);
  },
);
