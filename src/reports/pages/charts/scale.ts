/**
 * Round ticks from 0 to a little above a value: three to five of them, at 1, 2 or 5 times a power of ten of the unit.
 * @param unit what the ticks are multiples of where the value allows it, as 60 for seconds told in minutes
 */
export function ticksUpTo(highest: number, unit: number): { readonly top: number; readonly ticks: readonly number[] } {
  const base = highest > 2 * unit ? unit : 1;
  const rough = Math.max(highest, 1) / base / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((one) => one * power >= rough) ?? 10;
  const step = factor * power * base;
  const count = Math.max(1, Math.ceil(highest / step));
  return { top: count * step, ticks: Array.from({ length: count + 1 }, (_, index) => index * step) };
}
