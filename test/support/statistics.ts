/** Sum of the seconds of some phases. */
export function total(phases: readonly { readonly seconds: number }[]): number {
  return phases.reduce((sum, { seconds }) => sum + seconds, 0);
}

/** The middle one; of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [below = 0, above = below] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[Math.floor(sorted.length / 2)]];
  return (below + above) / 2;
}
