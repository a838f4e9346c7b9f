import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Task } from '../../base/task.ts';
import { xmlText } from '../../base/xml-text.ts';
import { convertImage } from '../../programs/qemu-img.ts';
import { derivedUuid } from '../disk/disk-ids.ts';
import type { DiskFormat, PackRequest } from '../image-format.ts';
import { plainDigest } from '../plain-digest.ts';
import { archiveBox, diskOfBox, writeMember } from './box.ts';
import { finishStream } from './vmdk.ts';

const DISK = 'box-disk001.vmdk';
/** The first three bytes of the hardware addresses VirtualBox gives out. */
const VIRTUALBOX_OUI = '080027';

/**
 * A box for VirtualBox (https://developer.hashicorp.com/vagrant/docs/providers/virtualbox/boxes): a tar of box.ovf, its
 * disk, Vagrantfile and metadata.json. It is not gzipped, because the disk is compressed already. box.ovf comes first,
 * as in an OVA (DSP0243 1.0.0, 5.3), so that what the box is can be read without unpacking gigabytes.
 * @throws NightlyError `image`, `tool-missing`, `tool-failed`, `disk-full`.
 */
export async function packVirtualBoxBox(request: PackRequest, task: Task): Promise<void> {
  const { seed } = request;
  const { size: virtualSize } = await stat(request.raw);
  const fill = async (folder: string) => {
    const vmdk = join(folder, DISK);
    task.say('Converting the disk to VMDK');
    await convertImage(
      { source: request.raw, sourceFormat: 'raw', target: vmdk, targetFormat: 'vmdk-stream', virtualSize },
      task,
    );
    await finishStream(vmdk, derivedUuid(seed, 'vmdk content').slice(0, 8));
    const macAddress = `${VIRTUALBOX_OUI}${derivedUuid(seed, 'vagrant hardware address').slice(0, 6).toUpperCase()}`;
    await writeMember(folder, request, 'box.ovf', {
      name: xmlText(request.name),
      ...request.machine,
      macAddress,
      disk: DISK,
      diskBytes: (await stat(vmdk)).size,
      virtualSize,
      diskUuid: derivedUuid(seed, 'vagrant disk'),
      machineUuid: derivedUuid(seed, 'vagrant machine'),
      changed: new Date(request.timestamp * 1000).toISOString().replace('.000Z', 'Z'),
    });
    await writeMember(folder, request, 'Vagrantfile', { macAddress });
    await writeMember(folder, request, 'metadata.json', {});
    return ['box.ovf', DISK, 'Vagrantfile', 'metadata.json'];
  };
  await archiveBox(request, { gzip: false }, fill, task);
}

export const VAGRANT_VIRTUALBOX: DiskFormat = {
  kind: 'disk',
  vagrantProvider: 'virtualbox',
  async pack(request, task) {
    await packVirtualBoxBox(request, task);
    return plainDigest(request.output);
  },
  bootDisk: (image, scratchDir, task) => diskOfBox(image, DISK, scratchDir, task),
};
