import { readFile } from 'node:fs/promises';
import { NightlyError } from '../../base/errors.ts';
import type { BuildEvent } from './event.ts';
import { harmlessLine } from './render-notification.ts';

/** A notification sink: one way to notify people or programs about builds. */
export interface Sink {
  /**
   * Sends one event. Sent again, it is known by its id where the protocol has such a thing.
   * @throws NightlyError `notify`; with `Refused` as its cause when it would be refused again
   */
  send(event: BuildEvent, signal: AbortSignal): Promise<void>;
  /** Checks that it can be reached and logged into; sends nothing. @throws NightlyError `notify`. */
  check(signal: AbortSignal): Promise<void>;
  /** Where it leads, for people: without secrets. */
  describe(): string;
}

/** The other side answered that it will not take this event, now or later. */
export class Refused extends Error {}

/**
 * Returns the content of a file that a sink needs, without the newline that editors put at its end. @throws
 * NightlyError `notify`.
 */
export async function readLogin(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new NightlyError('notify', `A file of a sink cannot be read: ${why}.`, {
      hint: 'Correct its path under "notify" in the configuration, or let the user who runs this read it.',
      cause: error,
    });
  }
}

/** Returns what failed where an event was sent: a check sends none, and says what it did instead. */
export const notTaken = (place: string): string => `${place} did not take the message`;

/**
 * Returns what a sink throws.
 * @param failed what was tried, and with whom: the beginning of the message
 * @param why in the other side's words
 */
export function deliveryError(failed: string, why: string, cause: unknown, refused = false): NightlyError {
  return new NightlyError('notify', `${failed}: ${harmlessLine(why)}.`, {
    hint: 'Correct this sink under "notify" in the configuration, then try "atomic-nightly notify test".',
    cause: refused ? new Refused(why, { cause }) : cause,
  });
}
