/**
 * Build ids: `YYYYMMDD_NN`, NN counting from 01 within a UTC day. More than 99 builds a day get three digits, so ids
 * are compared by their numbers, never as text.
 */
const pattern = /^(\d{4})(\d{2})(\d{2})_(\d{2,})$/;

/** Whether a text is a build id. */
export function isBuildId(text: string): boolean {
  return parseBuildId(text) !== undefined;
}

/** Returns the day as a number (20261121) and the count within it; undefined when the text is not a build id. */
export function parseBuildId(text: string): { day: number; count: number } | undefined {
  const match = pattern.exec(text);
  if (!match) return undefined;
  const [, year, month, day, digits = ''] = match;
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  // Date rolls 20260231 over to March; such an id was never given out.
  if (date.getUTCMonth() + 1 !== Number(month) || date.getUTCDate() !== Number(day)) return undefined;
  const count = Number(digits);
  if (count < 1 || formatCount(count) !== digits) return undefined;
  return { day: Number(`${year}${month}${day}`), count };
}

/** Orders build ids from old to new. Texts that are not build ids come first. */
export function compareBuildIds(a: string, b: string): number {
  const [left, right] = [parseBuildId(a), parseBuildId(b)];
  if (!left || !right) return Number(left !== undefined) - Number(right !== undefined);
  return left.day - right.day || left.count - right.count;
}

/** A build among others of its stream: one that was taken back names the build that did it. */
export interface Placed {
  readonly id: string;
  readonly retractedBy?: string | undefined;
}

/**
 * Orders builds from old to new. As by their ids, but a night that was taken back comes before what took it back: its date
 * may lie in the future, which may be why.
 */
export function comparePlaced(a: Placed, b: Placed): number {
  const place = ({ id, retractedBy }: Placed): string =>
    retractedBy !== undefined && compareBuildIds(retractedBy, id) < 0 ? retractedBy : id;
  const [first, second] = [place(a), place(b)];
  const moved = (one: Placed, at: string): number => Number(one.id === at);
  return compareBuildIds(first, second) || moved(a, first) - moved(b, second) || compareBuildIds(a.id, b.id);
}

/** Returns the first id of that UTC day that is above every taken id of the same day. */
export function nextBuildId(now: Date, taken: Iterable<string>): string {
  const prefix = now.toISOString().slice(0, 10).replaceAll('-', '');
  let highest = 0;
  for (const id of taken) {
    const parsed = parseBuildId(id);
    if (parsed?.day === Number(prefix)) highest = Math.max(highest, parsed.count);
  }
  return `${prefix}_${formatCount(highest + 1)}`;
}

const formatCount = (count: number): string => String(count).padStart(2, '0');
