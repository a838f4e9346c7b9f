import { asNightlyError } from '../base/as-nightly-error.ts';
import type { NightlyError } from '../base/errors.ts';
import type { BuildFailure } from '../build/build-record.ts';

/** What became of pieces of work that do not depend on each other. */
export interface Settled<Result> {
  readonly results: readonly Result[];
  readonly errors: readonly NightlyError[];
  /** The errors as a record keeps them. */
  readonly failures: readonly BuildFailure[];
}

/**
 * Does the same for several things at once and waits for all: one failing leaves the others done.
 * @throws NightlyError `interrupted`, which is no failure of any of them.
 */
export async function sideBySide<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Settled<Result>> {
  const settled = await Promise.allSettled(items.map(work));
  const results = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const errors = settled.flatMap((one) => (one.status === 'rejected' ? [asNightlyError(one.reason)] : []));
  const interrupted = errors.find(({ code }) => code === 'interrupted');
  if (interrupted) throw interrupted;
  return { results, errors, failures: errors.map(failureOf) };
}

/** Returns an error as a record keeps it. */
export function failureOf({ step = '', code, message, hint }: NightlyError): BuildFailure {
  return { step, code, message, hint };
}
