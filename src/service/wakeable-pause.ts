/** A loop looks at the clock again now and then: timers do not run while a machine sleeps. */
const LOOK_AGAIN_MS = 60_000;

/** A pause of a loop that others can cut short. */
export interface WakeablePause {
  /** Waits for so many milliseconds, but no longer than a minute, or until it is woken. */
  pause(ms: number): Promise<void>;
  /** Ends the pause; without one, nothing happens. */
  wake(): void;
}

/** Makes one for a single loop. */
export function wakeablePause(): WakeablePause {
  let wake: () => void = () => undefined;
  return {
    pause: (ms) =>
      new Promise((settle) => {
        const timer = setTimeout(settle, Math.min(LOOK_AGAIN_MS, ms));
        wake = () => {
          clearTimeout(timer);
          settle();
        };
      }),
    wake: () => wake(),
  };
}
