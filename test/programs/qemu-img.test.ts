import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { dataExtents, imageInfo } from '../../src/programs/qemu-img.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

const { PATH } = process.env;
let dir = '';
beforeEach(() => {
  dir = temporaryFolder();
});
afterEach(() => {
  process.env['PATH'] = PATH;
});

it('what an image is, and where it holds data', async () => {
  const raw = join(dir, 'disk.raw');
  await run('truncate', ['--size=4M', raw]);
  await run('dd', ['if=/dev/urandom', `of=${raw}`, 'bs=64k', 'count=1', 'seek=16', 'conv=notrunc', 'status=none']);
  expect(await imageInfo(raw, testTask(dir))).toEqual({ format: 'raw', virtualSize: 4 * 1024 * 1024 });
  expect(await dataExtents(raw, testTask(dir))).toEqual([{ start: 1024 * 1024, length: 65536 }]);
});

it.each(['', 'null', '{}', '[{"start": "0"}]', '{"format": 1, "virtual-size": -1}'])(
  'another program of that name that prints %j is named',
  async (printed) => {
    writeFileSync(join(dir, 'qemu-img'), `#!/bin/sh\nprintf '%s' '${printed}'\n`);
    chmodSync(join(dir, 'qemu-img'), 0o755);
    process.env['PATH'] = `${dir}:${PATH}`;
    const expected = { code: 'tool-failed', message: expect.stringContaining('qemu-img') };
    await expect(imageInfo('x', testTask(dir))).rejects.toMatchObject(expected);
    await expect(dataExtents('x', testTask(dir))).rejects.toMatchObject(expected);
  },
);
