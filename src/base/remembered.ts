/**
 * Gives the same value again for so many milliseconds; who asks while it is made waits for that one. A failure is not kept.
 */
export function remembered<Value>(ms: number, make: () => Promise<Value>): () => Promise<Value> {
  let kept: { readonly at: number; readonly value: Promise<Value> } | undefined;
  return () => {
    if (kept && performance.now() - kept.at < ms) return kept.value;
    const value = make();
    kept = { at: performance.now(), value };
    value.catch(() => {
      kept = undefined;
    });
    return value;
  };
}
