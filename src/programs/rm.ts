import { NightlyError } from '../base/errors.ts';
import { mountsIn } from '../base/mounts.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/**
 * Removes a folder with many files, or does nothing when it is not there: rm(1) takes a quarter of the time Node takes
 * for it. It never removes what is only mounted there.
 * @throws NightlyError `unsupported` with the place of a mount.
 */
export async function removeTree(path: string, task: Task): Promise<void> {
  // rm sees other file systems only, not a folder of the same one that was mounted there.
  const [mount] = await mountsIn(path);
  if (mount !== undefined) {
    throw new NightlyError('unsupported', `${path} cannot be removed: something is mounted at ${mount}.`, {
      hint: `Run "umount ${mount}", then try again.`,
    });
  }
  // Of tidying up nobody reads; what it could not remove is in the failure.
  await run('rm', ['-rf', '--one-file-system', '--', path], { task, logged: false });
}
