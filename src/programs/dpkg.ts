import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/**
 * Unpacks a .deb: its files into a folder, as root with the owners, setuid bits and times they have, and its control files
 * (`control`, `conffiles`, scripts) into `DEBIAN` below it.
 */
export async function debUnpack(deb: string, folder: string, task: Task): Promise<void> {
  await run('dpkg-deb', ['--raw-extract', deb, folder], { task });
}
