import { type FileHandle, open } from 'node:fs/promises';
import { NightlyError } from '../../base/errors.ts';

const SECTOR_BYTES = 512;
const MAGIC = 'KDMV';
/** Places of u64 little-endian fields in the header of a sparse extent; both count sectors. */
const DESCRIPTOR_OFFSET_AT = 28;
const DESCRIPTOR_SIZE_AT = 36;

/**
 * Turns the stream-optimised VMDK that qemu-img wrote into one that is the same each time and whole. The content id in
 * the embedded descriptor becomes `id`: qemu-img makes one up, and nothing else differs between two conversions of a
 * disk. The end-of-stream marker, a sector of zeros, is added: qemu-img leaves it out, and VirtualBox, which reads an
 * import from front to back, would look for data beyond the end of the file when the disk ends in zeros.
 * Layout: VMware's Virtual Disk Format 5.0, "Hosted Sparse Extent Header", "The Descriptor File" and "Stream-Optimized
 * Compressed Sparse Extents".
 * @param id eight lower-case hexadecimal digits.
 * @throws NightlyError `image` when the file is no such VMDK.
 */
export async function finishStream(vmdk: string, id: string): Promise<void> {
  const file = await open(vmdk, 'r+');
  try {
    await setContentId(file, vmdk, id);
    const { size } = await file.stat();
    await file.write(Buffer.alloc(SECTOR_BYTES), 0, SECTOR_BYTES, Math.ceil(size / SECTOR_BYTES) * SECTOR_BYTES);
  } finally {
    await file.close();
  }
}

async function setContentId(file: FileHandle, vmdk: string, id: string): Promise<void> {
  const { offset, size } = await descriptorPlace(file, vmdk);
  const descriptor = Buffer.alloc(size);
  await file.read(descriptor, 0, size, offset);
  const end = descriptor.indexOf(0);
  const text = descriptor.toString('latin1', 0, end === -1 ? size : end);
  if (!/^CID=[0-9a-f]+$/m.test(text)) throw notVmdk(vmdk);
  // qemu-img leaves out leading zeros, so the text may change its length; zeros fill the rest of its sectors.
  const changed = Buffer.alloc(size);
  changed.write(text.replace(/^CID=[0-9a-f]+$/m, `CID=${id}`), 'latin1');
  await file.write(changed, 0, size, offset);
}

async function descriptorPlace(file: FileHandle, vmdk: string): Promise<{ offset: number; size: number }> {
  const header = Buffer.alloc(SECTOR_BYTES);
  await file.read(header, 0, SECTOR_BYTES, 0);
  const offset = Number(header.readBigUInt64LE(DESCRIPTOR_OFFSET_AT)) * SECTOR_BYTES;
  const size = Number(header.readBigUInt64LE(DESCRIPTOR_SIZE_AT)) * SECTOR_BYTES;
  if (header.toString('latin1', 0, MAGIC.length) !== MAGIC || offset === 0) throw notVmdk(vmdk);
  return { offset, size };
}

function notVmdk(vmdk: string): NightlyError {
  return new NightlyError('image', `${vmdk} is not a VMDK with an embedded descriptor that has a content id.`, {
    hint: 'Check what "qemu-img info" says of it; qemu-img 5.2 and later are known to write what is expected.',
  });
}
