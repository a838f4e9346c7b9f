import { NightlyError } from '../base/errors.ts';

/** Where something that others wrote was read: a path or a URL, and the line in it. */
export interface LogPlace {
  readonly file: string;
  readonly line?: number;
}

/** What to do when a log does not hold together. */
export const LOG_HINT =
  'Do not trust what this log vouches for until it is known who changed it; a copy of the log that is older or elsewhere tells what was there.';

/**
 * What to throw for a file of a log that is malformed, or whose hash or signature is wrong.
 * @param why as a sentence
 */
export function logFault(place: LogPlace, why: string, hint = LOG_HINT): NightlyError {
  return new NightlyError('log', why, { place, hint });
}
