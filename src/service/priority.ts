import { writeFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { sessionOf } from '../base/process-id.ts';

/** How much the service stands back behind the runs: pages can wait some milliseconds. */
const STEP_BACK = 10;

let forRuns: number | undefined;

/**
 * Makes this process stand back behind the runs it starts, which lead sessions of their own. Where the kernel shares the
 * processor out among sessions (sched(7), autogroup) that is a matter of this session, if it is this process's own as
 * under systemd; elsewhere of this process, whose priority runs inherit and only root can give back.
 */
export function standBack(): void {
  if (sessionOf(process.pid) === process.pid) {
    try {
      writeFileSync('/proc/self/autogroup', String(STEP_BACK));
    } catch {
      // A kernel without autogroups.
    }
  }
  if (process.getuid?.() !== 0) return;
  forRuns = getPriority();
  setPriority(Math.min(19, forRuns + STEP_BACK));
}

/** Gives a run the priority that the service was started with. */
export function putInFront(pid: number): void {
  if (forRuns === undefined) return;
  try {
    setPriority(pid, forRuns);
  } catch {
    // It has ended already, or this root has not all of root's rights: then it runs a little slower.
  }
}
