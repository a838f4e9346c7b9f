import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/** Returns the control file of a .deb. */
export async function debControl(deb: string, task: Task): Promise<string> {
  return (await run('dpkg-deb', ['--field', deb], { task })).stdout;
}

/** Unpacks a .deb's files into a folder; as root with the owners, setuid bits and times it has. */
export async function debExtract(deb: string, folder: string, task: Task): Promise<void> {
  await run('dpkg-deb', ['--extract', deb, folder], { task });
}

/** Unpacks a .deb's control files (`control`, `conffiles`, scripts) into a folder. */
export async function debExtractControl(deb: string, folder: string, task: Task): Promise<void> {
  await run('dpkg-deb', ['--control', deb, folder], { task });
}
