import { writeFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { sessionOf } from '../base/process-id.ts';

/** How much lower the priority of the service is than that of its runs: pages can wait some milliseconds. */
const PRIORITY_STEP = 10;

let forRuns: number | undefined;

/**
 * Lowers the priority of this process below that of the runs it starts, which lead sessions of their own. Where the kernel
 * divides the processor among sessions (sched(7), autogroup), this lowers the session's priority if the session is this
 * process's own, as under systemd. Elsewhere it lowers the process's priority, which runs inherit and only root can restore.
 */
export function lowerPriority(): void {
  if (sessionOf(process.pid) === process.pid) lowerSession();
  if (process.getuid?.() !== 0) return;
  forRuns = getPriority();
  setPriority(Math.min(19, forRuns + PRIORITY_STEP));
}

/** Lowers the priority of the session of this process; the listening process has one of its own. */
export function lowerSession(): void {
  try {
    writeFileSync('/proc/self/autogroup', String(PRIORITY_STEP));
  } catch {
    // A kernel without autogroups.
  }
}

/** Gives a run the priority that the service was started with. */
export function restorePriority(pid: number): void {
  if (forRuns === undefined) return;
  try {
    setPriority(pid, forRuns);
  } catch {
    // It has ended already, or this root has not all of root's rights: then it runs a little slower.
  }
}
