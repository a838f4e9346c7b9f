import { stat } from 'node:fs/promises';
import { convertImage } from '../../programs/qemu-img.ts';
import type { DiskFormat } from '../image-format.ts';
import { sparseDigest } from '../plain-digest.ts';

/** A compressed qcow2, as clouds and libvirt take it. */
export const QCOW2: DiskFormat = {
  kind: 'disk',
  async pack({ raw, output }, task) {
    task.say('Compressing to qcow2');
    const { size: virtualSize } = await stat(raw);
    const formats = { source: raw, sourceFormat: 'raw', target: output, targetFormat: 'qcow2', virtualSize } as const;
    const [plain] = await Promise.all([sparseDigest(raw, task), convertImage(formats, task)]);
    return plain;
  },
  bootDisk: (image) => Promise.resolve(image),
};
