import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { whyNoRadosgw } from '../support/radosgw.ts';
import { sentLog } from '../support/sent-log.ts';
import { type Bed, daemonBed, directoryBed, rrsyncBed, s3Bed, sshBed } from '../support/target-beds.ts';
import { testTask } from '../support/tmp.ts';

describe.each<[string, () => Promise<Bed>]>([
  ['directory', directoryBed],
  ['rsync over ssh, account restricted to rrsync', rrsyncBed],
  ['rsync daemon', daemonBed],
  ['ssh', sshBed],
  ...(whyNoRadosgw() === undefined ? [['S3', s3Bed] as [string, () => Promise<Bed>]] : []),
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
