import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { unpackTar } from '../../programs/tar.ts';
import type { ImageTemplate } from '../template/load-template.ts';

/**
 * Returns the disk inside a finished image, as QEMU can boot it: the image itself, or what is in its box.
 * @throws NightlyError `image` when there is none.
 */
export async function diskOfImage(
  image: string,
  format: ImageTemplate['format'],
  scratchDir: string,
  task: Task,
): Promise<string> {
  if (format === 'qcow2') return image;
  const folder = join(scratchDir, 'box');
  await mkdir(folder, { recursive: true });
  await unpackTar(image, folder, task);
  const disk = (await readdir(folder)).find((name) => name === 'box.img' || name.endsWith('.vmdk'));
  if (disk === undefined) throw new NightlyError('image', `The box ${image} holds no disk.`);
  return join(folder, disk);
}
