/** `36h` in seconds; units are s, m, h, d and w. The schema decides which of them a key takes. */
export function durationSeconds(text: string): number {
  const seconds: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400, w: 604_800 };
  return Number.parseInt(text, 10) * (seconds[text.slice(-1)] ?? 1);
}
