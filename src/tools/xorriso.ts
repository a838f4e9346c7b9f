import { run } from './exec.ts';
import type { Task } from './task.ts';

/** Makes an ISO 9660 image with long names from the files of a folder. @throws NightlyError `tool-missing`, `tool-failed`. */
export async function makeIso(iso: string, label: string, folder: string, task: Task): Promise<void> {
  await run('xorriso', ['-as', 'mkisofs', '-quiet', '-J', '-r', '-V', label, '-o', iso, folder], { task });
}
