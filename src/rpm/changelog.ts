import { NightlyError } from '../base/errors.ts';
import { FormatError } from './format-error.ts';
import { readRpmTags } from './header-tags.ts';

/** An entry of a package's changelog. */
export interface ChangelogEntry {
  /** Seconds since the epoch; rpm has noon UTC of the day. */
  readonly time: number;
  /** Who wrote it, often with the version: `Jo <jo@example.org> - 1.0-2`. */
  readonly author: string;
  /** One or more lines. */
  readonly text: string;
}

/** The last moment of the year 9999, in seconds since the epoch. */
const LATEST = 253_402_300_799;

/** Returns an entry. @throws FormatError for a time that none can have. */
export function changelogEntry(time: number, author: string, text: string): ChangelogEntry {
  if (!Number.isInteger(time) || time < 0 || time > LATEST) {
    throw new FormatError(`a changelog has the time ${JSON.stringify(String(time))}`);
  }
  return { time, author, text };
}

/** Returns the changelog of an RPM file from its header, newest first. @throws NightlyError `verify` naming file and fault. */
export async function rpmChangelog(path: string): Promise<ChangelogEntry[]> {
  const tags = await readRpmTags(path);
  const [times, authors, texts] = [
    tags.numbers('changelogTime'),
    tags.texts('changelogName'),
    tags.texts('changelogText'),
  ];
  if (times.length !== authors.length || times.length !== texts.length) {
    throw new NightlyError('verify', `${path} has a changelog whose times, authors and texts do not belong together.`, {
      hint: 'Look at it with "rpm -qp --changelog"; fetch it again, or report it to whoever built it.',
    });
  }
  return times.map((time, index) => changelogEntry(time, authors[index] ?? '', texts[index] ?? ''));
}

/**
 * Returns the entries of a changelog that an older one does not have: those above its newest entry, or, where the newer
 * package has that entry no more, those of a later day.
 * @param before undefined: nothing is known of the older package, so that only the newest entry is sure to be new
 */
export function newerEntries(
  now: readonly ChangelogEntry[],
  before: readonly ChangelogEntry[] | undefined,
): ChangelogEntry[] {
  if (before === undefined) return now.slice(0, 1);
  const [newest] = before;
  if (newest === undefined) return [...now];
  const at = now.findIndex(
    (one) => one.time === newest.time && one.author === newest.author && one.text === newest.text,
  );
  return at < 0 ? now.filter(({ time }) => time > newest.time) : now.slice(0, at);
}

/** Returns an entry as `rpm -q --changelog` prints it: `* Thu Jan 01 2026 AUTHOR`, and the text below. */
export function changelogLines({ time, author, text }: ChangelogEntry): string[] {
  const [weekday = '', day = '', month = '', year = ''] = new Date(time * 1000).toUTCString().split(/,? /);
  return [`* ${weekday} ${month} ${day} ${year} ${author}`, ...text.split('\n')];
}
