import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CompleteMultipartUploadCommand, CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { openTarget } from '../../src/targets/open-target.ts';
import { sharedRadosgw, whyNoRadosgw } from '../support/radosgw.ts';
import { makeBucket } from '../support/s3-bucket.ts';
import { sentLog } from '../support/sent-log.ts';
import { type Bed, daemonBed, directoryBed, rrsyncBed, s3Bed, sshBed } from '../support/target-beds.ts';
import { testTask } from '../support/tmp.ts';

type Kind = readonly [name: string, open: () => Promise<Bed>];

const S3: readonly Kind[] = whyNoRadosgw() === undefined ? [['S3', s3Bed]] : [];

/** Of these, one at a time puts a file under a name that is free. */
const ONE_AT_A_TIME: readonly Kind[] = [['directory', directoryBed], ['ssh', sshBed], ...S3];

describe.each<Kind>([
  ...ONE_AT_A_TIME,
  ['rsync over ssh, account restricted to rrsync', rrsyncBed],
  ['rsync daemon', daemonBed],
])('write-once means same bytes on %s', (_, open) => {
  it('I16: refuses other bytes of the same size, sends nothing then, and leaves the same bytes alone', async () => {
    const { dir, source, target, look } = await open();
    const task = testTask(dir);
    await target.check(task);
    const write = async (path: string, content: string): Promise<void> => {
      await mkdir(dirname(join(source, path)), { recursive: true });
      await writeFile(join(source, path), content);
    };
    const rpms = ['rpms/x/one + [1]-1-1.noarch.rpm', 'rpms/x/two-1-1.noarch.rpm', '-rf.rpm'];
    for (const path of rpms) await write(path, 'unsigned');
    const send = (paths: readonly string[]) => target.send(source, paths, { immutable: true, sent: sentLog() }, task);
    expect(await send(rpms)).toEqual({ files: 3, bytes: 24 });
    expect(await send(rpms)).toEqual({ files: 0, bytes: 0 });

    // Signed later: as long as it was, since the space for a signature is reserved.
    await write(rpms[1] ?? '', 'a signed');
    await write('rpms/x/three-1-1.noarch.rpm', 'unsigned');
    await expect(send([...rpms, 'rpms/x/three-1-1.noarch.rpm'])).rejects.toMatchObject({
      code: 'target-differs',
      message: expect.stringContaining('rpms/x/two-1-1.noarch.rpm'),
      hint: expect.stringContaining('new release'),
    });
    expect(await look(rpms[1] ?? '')).toBe('unsigned');
    expect(await target.read('rpms/x/three-1-1.noarch.rpm', task)).toBeUndefined();

    // Another size is no better, and what comes under a new name is sent.
    await write(rpms[1] ?? '', 'signed, and longer');
    await expect(send(rpms)).rejects.toMatchObject({ code: 'target-differs' });
    await write('rpms/x/two-1-2.noarch.rpm', 'a signed');
    expect(await send(['rpms/x/two-1-2.noarch.rpm'])).toEqual({ files: 1, bytes: 8 });
    // A repair may do it: it says that the file on the target is the damaged one.
    await target.send(source, [rpms[1] ?? ''], { immutable: false }, task);
    expect(await look(rpms[1] ?? '')).toBe('signed, and longer');
  });

  it('sends again what is empty there, as a power cut leaves it', async () => {
    const { dir, source, target, look } = await open();
    const task = testTask(dir);
    await target.check(task);
    await writeFile(join(source, 'image'), '');
    await target.send(source, ['image'], { immutable: true }, task);
    expect(await target.send(source, ['image'], { immutable: true }, task)).toMatchObject({ bytes: 0 });
    await writeFile(join(source, 'image'), 'whole');
    expect(await target.send(source, ['image'], { immutable: true }, task)).toEqual({ files: 1, bytes: 5 });
    expect(await look('image')).toBe('whole');
  });

  it('knows large files, which some targets keep in parts', async () => {
    const { dir, source, target } = await open();
    const task = testTask(dir);
    await target.check(task);
    const paths = ['builds/image.raw'];
    await writeFile(join(source, 'builds/image.raw'), 'x');
    await truncate(join(source, 'builds/image.raw'), (17 << 20) + 5);
    expect((await target.send(source, paths, { immutable: true }, task)).files).toBe(1);
    expect((await target.send(source, paths, { immutable: true }, task)).files).toBe(0);
    await writeFile(join(source, 'builds/image.raw'), 'y');
    await truncate(join(source, 'builds/image.raw'), (17 << 20) + 5);
    await expect(target.send(source, paths, { immutable: true }, task)).rejects.toMatchObject({
      code: 'target-differs',
    });
  });
});

it.each(ONE_AT_A_TIME)(
  'I16: of two that send other bytes under one name at the same moment to %s, one is refused',
  async (_, open) => {
    const { dir, target, look } = await open();
    const task = testTask(dir);
    await target.check(task);
    const writers = ['a', 'b'];
    for (const round of [1, 2, 3]) {
      const paths = [1, 2, 3].map((one) => `rpms/${round}/a + ${one}.noarch.rpm`);
      for (const path of paths) {
        for (const writer of writers) {
          await mkdir(dirname(join(dir, writer, path)), { recursive: true });
          // The second round's have other sizes as well.
          await writeFile(join(dir, writer, path), writer.repeat(round === 2 && writer === 'b' ? 1500 : 1000));
        }
      }
      const ends = await Promise.allSettled(
        writers.map((writer) => target.send(join(dir, writer), paths, { immutable: true }, task)),
      );
      const there = await Promise.all(paths.map(async (path) => (await look(path)).slice(0, 1)));
      for (const [index, end] of ends.entries()) {
        if (end.status === 'fulfilled') expect(new Set(there)).toEqual(new Set([writers[index]]));
        else expect(end.reason).toMatchObject({ code: 'target-differs' });
      }
      expect(ends.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0);
    }
  },
);

it.runIf(S3.length > 0)('knows a large file that another program sent in as many parts of another size', async () => {
  const { dir, source } = await s3Bed();
  const { config, client } = await makeBucket(await sharedRadosgw());
  const target = openTarget(config);
  const task = testTask(dir);
  await target.check(task);
  const content = Buffer.alloc(17 << 20, 'one of our files ');
  await writeFile(join(source, 'builds/image.raw'), content);
  const at = { Bucket: config.bucket, Key: `${config.prefix}/builds/image.raw` };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(at));
  const PART = 6 << 20;
  const parts = [1, 2, 3].map(async (PartNumber) => {
    const Body = content.subarray((PartNumber - 1) * PART, PartNumber * PART);
    const { ETag } = await client.send(new UploadPartCommand({ ...at, UploadId, PartNumber, Body }));
    return { PartNumber, ETag };
  });
  const MultipartUpload = { Parts: await Promise.all(parts) };
  await client.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload }));
  const send = () => target.send(source, ['builds/image.raw'], { immutable: true }, task);
  expect(await send()).toEqual({ files: 0, bytes: 0 });
  content[20] = 0;
  await writeFile(join(source, 'builds/image.raw'), content);
  await expect(send()).rejects.toMatchObject({ code: 'target-differs' });
});
