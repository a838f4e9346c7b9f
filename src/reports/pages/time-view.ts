/** A moment as pages show it: always UTC, so that a page is the same wherever and whenever it is made. */
export interface TimeView {
  /** RFC 3339. */
  readonly iso: string;
  /** `2026-11-21 17:30`. */
  readonly text: string;
}

/** @param moment RFC 3339, or ms since the epoch; what is no moment is shown as it is */
export function timeView(moment: string | number | Date): TimeView {
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return { iso: '', text: String(moment) };
  const iso = date.toISOString();
  return { iso: `${iso.slice(0, 19)}Z`, text: `${iso.slice(0, 10)} ${iso.slice(11, 16)}` };
}
