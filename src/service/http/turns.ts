/**
 * Begins pieces of work one after another, one each time round the event loop, so that a crowd that asks at once does not
 * hold up what is answered without waiting for a turn (`/healthz`), nor new connections.
 */
export function createTurns(): (begin: () => void) => void {
  const waiting: (() => void)[] = [];
  const next = (): void => {
    waiting.shift()?.();
    if (waiting.length > 0) setImmediate(next);
  };
  return (begin) => {
    if (waiting.push(begin) === 1) setImmediate(next);
  };
}
