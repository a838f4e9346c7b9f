/** Sum of the seconds of some phases. */
export function total(phases: readonly { readonly seconds: number }[]): number {
  return phases.reduce((sum, { seconds }) => sum + seconds, 0);
}

/** The middle one; of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}
