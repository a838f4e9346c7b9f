import { getPriority, setPriority } from 'node:os';

/** How much the service stands back behind the runs: pages can wait some milliseconds. */
const STEP_BACK = 10;

let forRuns: number | undefined;

/**
 * Makes this process stand back behind the runs it starts. Only as root, whom the kernel lets give runs back what they
 * would inherit: otherwise a run would stand back as well.
 */
export function standBack(): void {
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
