import { open } from 'node:fs/promises';
import { NightlyError } from '../base/errors.ts';
import { isErrno } from '../base/files.ts';

const PLACES = ['/usr/bin/busybox', '/bin/busybox', '/usr/sbin/busybox'];
/** ELF program header that names a dynamic loader (elf.h). */
const PT_INTERP = 3;

/**
 * Returns the path of a busybox that needs no library of the machine it runs on: with a dynamic one a replaced library or
 * LD_PRELOAD would answer in its place.
 * @throws NightlyError `tool-missing`.
 */
export async function staticBusybox(): Promise<string> {
  for (const path of PLACES) if (await isStatic(path)) return path;
  throw new NightlyError('tool-missing', 'There is no static busybox, which is what runs on builders.', {
    hint: 'Install it: "apt-get install busybox-static" (Debian) or "dnf install busybox" (Fedora).',
  });
}

/** Whether a file is a 64-bit ELF program without a dynamic loader. */
async function isStatic(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'r');
    try {
      const bytes = Buffer.alloc(4096);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
      if (bytesRead < 64 || bytes.toString('latin1', 0, 5) !== '\x7fELF\x02') return false;
      const little = bytes[5] === 1;
      const number = (at: number, size: 2 | 4): number =>
        little ? bytes.readUIntLE(at, size) : bytes.readUIntBE(at, size);
      const [from, size, count] = [number(32, 4), number(54, 2), number(56, 2)];
      return Array.from({ length: count }, (_, at) => from + at * size).every(
        (at) => at + 4 <= bytesRead && number(at, 4) !== PT_INTERP,
      );
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'EACCES')) return false;
    throw error;
  }
}
