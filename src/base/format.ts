import type { ProgressUnit } from './progress.ts';

/** Bytes for people: `214.3 MB` (powers of 1000, as download tools count). */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'] as const;
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Seconds for people: `0.3 s`, `42 s`, `3 min 05 s`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

/** Returns an age for people, in one unit: `40 s`, `12 min`, `5 h`, `23 d`. */
export function formatAge(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** Returns a moment for people, in UTC: `2026-11-30 01:05 UTC`. */
export function formatMoment(moment: Date): string {
  return `${moment.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** Returns a moment with how long ago it was: `2026-11-30 01:05 UTC, 3 h ago`. */
export function formatMomentAndAge(moment: Date, now = Date.now()): string {
  const seconds = Math.floor((now - moment.getTime()) / 1000);
  // A clock that was ahead, or a date fixed by SOURCE_DATE_EPOCH, says nothing of an age.
  return seconds < 0 ? formatMoment(moment) : `${formatMoment(moment)}, ${formatAge(seconds)} ago`;
}

/** Returns a count with its total: `12/243 packages`, `3.1 MB of 20.0 MB`. */
export function formatProgress(done: number, total: number | undefined, unit: ProgressUnit): string {
  if (unit === 'bytes')
    return total === undefined ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`;
  return `${total === undefined ? done : `${done}/${total}`} ${unit}`;
}

/** Returns a text with its first letter as a capital. */
export function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** Returns a count with its noun: `1 entry`, `2 entries`; `many` is by default the noun with an "s". */
export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
