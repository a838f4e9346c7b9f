import { randomBytes, randomInt } from 'node:crypto';
import type { RebuildResult } from './result.ts';
import type { Draw, KeptResult } from './result-store.ts';

/** The longest time that a duplicate waits, in seconds: it must not come at once, or its builder knows what it is. */
const LONGEST_DELAY = 1800;

/**
 * Returns a job of which nobody can tell that it repeats another: a fresh id, and a moment at random from which on it may start.
 * @param now seconds since 1970
 */
export function newDuplicate(now: number): NonNullable<Draw['duplicate']> {
  return { job: randomBytes(16).toString('hex'), notBefore: now + randomInt(LONGEST_DELAY + 1) };
}

/** A duplicate that is wanted and has no result yet. */
export interface DueDuplicate {
  readonly job: string;
  /** What it is to repeat. */
  readonly of: RebuildResult;
  /** Seconds since 1970. */
  readonly notBefore: number;
  /** Operators that have built the same already: it must run at another. */
  readonly operators: readonly string[];
}

/** Returns the duplicates that are wanted and have no result yet, those that may start first at the beginning. */
export function dueDuplicates(results: readonly KeptResult[]): DueDuplicate[] {
  const known = new Set(results.map(({ result }) => result.job));
  const due = results.flatMap(({ result, draw }) => {
    const { job, notBefore } = draw?.duplicate ?? {};
    if (job === undefined || notBefore === undefined || known.has(job)) return [];
    const operators = [
      ...new Set(results.filter((one) => sameInputs(one.result, result)).map((one) => one.result.operator)),
    ];
    return [{ job, of: result, notBefore, operators: operators.sort() }];
  });
  return due.sort((a, b) => a.notBefore - b.notBefore || (a.job < b.job ? -1 : 1));
}

/** Whether a builder may be given a duplicate: only another operator's word is worth something. */
export function mayDuplicate(
  { operator }: { readonly operator: string },
  { operators }: Pick<DueDuplicate, 'operators'>,
): boolean {
  return !operators.includes(operator);
}

/** Whether two results were made of the same: of these, one is expected to be as the other. */
export function sameInputs(one: RebuildResult, other: RebuildResult): boolean {
  return inputsOf(one) === inputsOf(other);
}

/** Returns what a result was made of: source package, build root and architecture. */
export const inputsOf = ({ source, root, arch }: Pick<RebuildResult, 'source' | 'root' | 'arch'>): string =>
  `${source.sha256} ${root} ${arch}`;
