import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { S3TargetConfig } from '../../../src/config/config.ts';
import { openTarget } from '../../../src/targets/open-target.ts';
import { useKeys } from '../../support/radosgw.ts';
import { type Care, startCarelessS3 } from '../../support/s3-careless.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

const CAREFUL: Care = { ifNoneMatch: true, ifMatch: true, content: true };

async function bed(care: Partial<Care>) {
  const { endpoint, puts } = await startCarelessS3({ ...CAREFUL, ...care });
  useKeys({ accessKey: 'ANYKEY', secretKey: 'any' });
  const config: S3TargetConfig = {
    type: 's3',
    name: 'careless',
    bucket: 'any-bucket',
    prefix: '',
    endpoint,
    region: 'us-east-1',
    parallel: 4,
    url: endpoint,
  };
  const dir = temporaryFolder();
  return { dir, puts, target: openTarget(config), task: testTask(dir) };
}

describe('S3 servers that ignore conditions', () => {
  it.each([
    ['If-None-Match: *', { ifNoneMatch: false }],
    ['If-Match', { ifMatch: false }],
  ])('refuses one that takes %s for nothing, before it changes anything', async (what, care) => {
    const { target, task } = await bed(care);
    const refusal = {
      code: 'unsupported',
      message: expect.stringContaining(`does not honour "${what}" on a PUT`),
      hint: expect.stringContaining('conditional writes'),
    };
    await expect(target.check(task)).rejects.toMatchObject(refusal);
    const swap = { expect: [], put: [{ path: 'repo/summary', content: Buffer.from('x') }] };
    await expect(target.swap(swap, task)).rejects.toMatchObject(refusal);
    expect(await target.read('repo/summary', task)).toBeUndefined();
  });

  it('refuses one that knows of no conditions', async () => {
    const { target, task, puts } = await bed({ ifNoneMatch: 'unknown' });
    await expect(target.check(task)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('HTTP 501, NotImplemented'),
    });
    // Not asked again: it will not learn it in a few seconds.
    expect(puts()).toBe(2);
  });

  it('takes one that wants its ETags quoted, and asks it once', async () => {
    const { target, task, puts } = await bed({});
    await target.check(task);
    expect(puts()).toBe(4);
    const path = 'repo/summary';
    await target.swap({ expect: [{ path, content: undefined }], put: [{ path, content: Buffer.from('a') }] }, task);
    // The lock, the file, the lock given up.
    expect(puts()).toBe(7);
    const next = { expect: [{ path, content: Buffer.from('a') }], put: [{ path, content: Buffer.from('b') }] };
    await target.swap(next, task);
    await expect(target.swap(next, task)).rejects.toMatchObject({ code: 'target-moved' });
    expect(await target.read(path, task)).toEqual(Buffer.from('b'));
  });
});

it('notices a server that stores something else than it was sent', async () => {
  const { dir, target, task, puts } = await bed({ content: false });
  await mkdir(join(dir, 'repo'));
  await writeFile(join(dir, 'repo/summary'), 'x');
  await expect(target.send(dir, ['repo/summary'], { immutable: false }, task)).rejects.toMatchObject({
    code: 'verify',
    message: expect.stringContaining('DamagedOnTheWay'),
  });
  expect(puts()).toBe(8);
}, 60_000);
