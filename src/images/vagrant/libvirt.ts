import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Task } from '../../base/task.ts';
import { convertImage } from '../../programs/qemu-img.ts';
import type { DiskFormat, PackRequest } from '../image-format.ts';
import { plainDigest } from '../plain-digest.ts';
import { archiveBox, diskOfBox, writeMember } from './box.ts';

const DISK = 'box.img';
const GIB = 1024 ** 3;

/**
 * A box for vagrant-libvirt (https://vagrant-libvirt.github.io/vagrant-libvirt/boxes.html, version 1 of its format): a
 * gzipped tar of metadata.json, Vagrantfile and box.img. The disk is a qcow2 without compression of its own, which
 * would make the box no smaller and every machine slower.
 * @throws NightlyError `image`, `tool-missing`, `tool-failed`, `disk-full`.
 */
export async function packLibvirtBox(request: PackRequest, task: Task): Promise<void> {
  const { size: virtualSize } = await stat(request.raw);
  const { cpus, memoryMib } = request.machine;
  const fill = async (folder: string) => {
    // Whole GiB; vagrant-libvirt makes the volume this large, so rounding down would cut the disk off.
    await writeMember(folder, request, 'metadata.json', { virtualSizeGib: Math.ceil(virtualSize / GIB) });
    await writeMember(folder, request, 'Vagrantfile', { cpus, memoryMib });
    task.say('Converting the disk to qcow2');
    await convertImage(
      {
        source: request.raw,
        sourceFormat: 'raw',
        virtualSize,
        target: join(folder, DISK),
        targetFormat: 'qcow2-plain',
      },
      task,
    );
    return ['metadata.json', 'Vagrantfile', DISK];
  };
  await archiveBox(request, { gzip: true }, fill, task);
}

export const VAGRANT_LIBVIRT: DiskFormat = {
  kind: 'disk',
  vagrantProvider: 'libvirt',
  async pack(request, task) {
    await packLibvirtBox(request, task);
    return plainDigest(request.output, true);
  },
  bootDisk: (image, scratchDir, task) => diskOfBox(image, DISK, scratchDir, task),
};
