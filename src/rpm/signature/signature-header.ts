import { open } from 'node:fs/promises';
import { padded, readRpmStart } from './rpm-signature.ts';

/**
 * Returns the signature header of an RPM file with its padding, byte for byte: what koji keeps of a signed package (addRPMSig).
 * @throws NightlyError `verify` for a file that is not an RPM.
 */
export async function signatureHeaderOf(path: string): Promise<Buffer> {
  const { lead, signatureSize } = await readRpmStart(path);
  const file = await open(path, 'r');
  try {
    const length = padded(signatureSize);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, lead.length);
    return buffer;
  } finally {
    await file.close();
  }
}
