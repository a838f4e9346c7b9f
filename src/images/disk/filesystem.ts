import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { makeExt4 } from '../../programs/mke2fs.ts';
import { makeXfs } from '../../programs/mkfs-xfs.ts';
import { copyIntoFileSystem } from '../../programs/mount.ts';
import { dataExtents } from '../../programs/qemu-img.ts';
import { derivedUuid, type IdSeed } from './disk-ids.ts';
import type { Placed } from './disk-layout.ts';
import { setExt4Times } from './ext4-times.ts';

export interface FileSystemRequest {
  /** The raw disk. */
  readonly file: string;
  readonly at: Placed;
  readonly type: 'ext4' | 'xfs';
  readonly label: string;
  readonly uuid: string;
  /** The folder copied in. */
  readonly root: string;
  readonly seed: IdSeed;
  readonly scratchDir: string;
}

/**
 * Makes a file system with the content of a folder in its partition of a raw disk. Of ext4 the bytes depend on the
 * folder and the seed alone; XFS is filled by the kernel, whose allocation and times differ from one time to the next.
 */
export async function makeFileSystem(request: FileSystemRequest, task: Task): Promise<void> {
  const { file, at, label, uuid, root, seed } = request;
  if (request.type === 'xfs') return fillXfs(request, task);
  const { offsetBytes, sizeBytes } = at;
  const hashSeed = derivedUuid(seed, `hash seed ${label}`);
  const { timestamp } = seed;
  await makeExt4({ file, offsetBytes, sizeBytes, label, uuid, hashSeed, root, timestamp }, task);
  await setExt4Times(file, offsetBytes, timestamp);
}

/** mkfs.xfs writes at the start of a file only, and copies no folder in (6.17 and later do; few have that). */
async function fillXfs(request: FileSystemRequest, task: Task): Promise<void> {
  const { file, at, uuid, label, root: from, scratchDir } = request;
  const { offsetBytes, sizeBytes } = at;
  const empty = join(scratchDir, `${label}.xfs`);
  const mountPoint = join(scratchDir, `${label}.mnt`);
  await rm(empty, { force: true });
  await makeXfs({ file: empty, sizeBytes, uuid, label }, task);
  await copyData(empty, file, offsetBytes, task);
  await rm(empty);
  await makeFolder(mountPoint);
  await copyIntoFileSystem({ file, offsetBytes, sizeBytes, type: 'xfs', from, mountPoint }, task);
}

/** Copies what is not a hole of a file into another at an offset. */
async function copyData(from: string, to: string, offsetBytes: number, task: Task): Promise<void> {
  const source = await open(from, 'r');
  const target = await open(to, 'r+');
  try {
    const buffer = Buffer.alloc(1 << 20);
    for (const { start, length } of await dataExtents(from, task)) {
      for (let done = 0; done < length; done += buffer.length) {
        const size = Math.min(buffer.length, length - done);
        await source.read(buffer, 0, size, start + done);
        await target.write(buffer, 0, size, offsetBytes + start + done);
      }
    }
  } finally {
    await source.close();
    await target.close();
  }
}
