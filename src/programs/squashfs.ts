import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/**
 * Packs a folder into a squashfs with owners, modes and extended attributes as they are. Equal folders and times give
 * equal files. Made for a fast start: zstd unpacks several times faster than xz (Linux reads it since 4.14), small files
 * do not share a block that is unpacked anew for each, and the index is not compressed; that costs a tenth in size.
 * @param timestamp seconds since the epoch, of every file and of the file system.
 * @throws NightlyError `tool-missing`, `tool-failed`, `disk-full`.
 */
export async function makeSquashfs(folder: string, target: string, timestamp: number, task: Task): Promise<void> {
  const time = String(timestamp);
  await run(
    'mksquashfs',
    [
      ...[folder, target, '-noappend', '-no-progress', '-comp', 'zstd', '-Xcompression-level', '12'],
      ...['-b', '128K', '-no-fragments', '-noI', '-noX'],
      ...['-all-time', time, '-mkfs-time', time],
    ],
    // mksquashfs refuses its options when the variable would say it a second time.
    { task, env: { SOURCE_DATE_EPOCH: undefined } },
  );
}
