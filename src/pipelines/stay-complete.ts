import type { BuildMeta } from '../build/build-record.ts';
import { buildMetaText } from '../build/build-record-format.ts';
import type { Outcome } from './nightly.ts';

/** Steps that are about the target or the work folder as a whole, and change nothing of the build they come after. */
const UPKEEP = /^(?:prune|pages)(?:-|$)/;

/**
 * Returns the outcome of an attempt; that of a build which was complete and has not changed is `complete`, with what failed, if only
 * upkeep did. A retention that cannot be carried out now must not keep the build from being promoted.
 * @param before the record at the start of the attempt
 * @param now the record at its end
 */
export function stayed(before: BuildMeta, now: BuildMeta, outcome: Outcome): Outcome {
  if (outcome.state !== 'incomplete' || !isStillComplete(before, now)) return outcome;
  return outcome.failures.every(({ step }) => UPKEEP.test(step)) ? { ...outcome, state: 'complete' } : outcome;
}

/** Whether a build was complete, and its record says the same of it now, apart from how the attempts at it went. */
export function isStillComplete(before: BuildMeta, now: BuildMeta): boolean {
  if (before.state !== 'complete') return false;
  const of = (meta: BuildMeta) => buildMetaText({ ...meta, state: 'complete', failures: [], stoppedAfter: undefined });
  return of(now) === of(before);
}
