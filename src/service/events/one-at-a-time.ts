import { setTimeout as sleep } from 'node:timers/promises';

/** Messages about one name within this time are one: 300 builds that are tagged at once send 300. */
const AGAIN_MS = 1000;

/**
 * Carries out what is asked for by name, but each name once within the time; what was asked meanwhile is carried out once
 * after it, so that the last request is never lost.
 */
export function oneAtATime(act: (name: string) => Promise<void>): (name: string) => void {
  const again = new Map<string, boolean>();
  const carryOut = async (name: string): Promise<void> => {
    do {
      again.set(name, false);
      await act(name);
      await sleep(AGAIN_MS, undefined, { ref: false });
    } while (again.get(name) === true);
    again.delete(name);
  };
  return (name) => {
    if (again.has(name)) again.set(name, true);
    else void carryOut(name);
  };
}
