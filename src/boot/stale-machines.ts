import type { Task } from '../base/task.ts';
import { staleFolders } from '../base/temporary.ts';
import { killProcess, processesMarked } from '../programs/processes.ts';
import { MACHINE_MARKER } from '../programs/qemu.ts';
import { removeTree } from '../programs/rm.ts';

/** Ends the machines of programs that were killed, and removes what they left in the system's temporary folder. */
export async function endStaleMachines(task: Task): Promise<void> {
  for (const folder of staleFolders()) {
    for (const pid of await processesMarked(`${MACHINE_MARKER}=${folder}`)) killProcess(pid);
    await removeTree(folder, task);
  }
}
