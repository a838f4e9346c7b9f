import { setTimeout as pause } from 'node:timers/promises';

/** Waits until it holds. What never does is an error after a time in which a crowded machine, too, gets anything done. */
export async function until(holds: () => boolean | Promise<boolean>, seconds = 120): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited in vain until ${holds}`);
    await pause(20);
  }
}
