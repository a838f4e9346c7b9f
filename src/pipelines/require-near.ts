import { asNightlyError } from '../base/as-nightly-error.ts';
import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import type { UpstreamRecord } from '../build/upstream-record.ts';
import type { UpstreamConfig } from '../config/config.ts';
import { refuseTooFar } from '../steps/release/upstream-limits.ts';

/** How a gate is to be passed. */
interface Gate {
  compare(): Promise<UpstreamRecord>;
  /** Writes down what was found, before anything is refused. */
  keep(record: UpstreamRecord): Promise<void>;
  /** Is told why it is not known, where no limit asks for it. */
  warn(message: string): void;
}

/**
 * Compares with upstream, and refuses what is beyond a limit. Without limits, upstream that cannot be read is a warning.
 * @throws NightlyError `gate-failed`, with the packages by name or why upstream cannot be read
 */
export async function requireNear(
  { maxMissing, maxOlder, ...upstream }: UpstreamConfig,
  { compare, keep, warn }: Gate,
  { signal }: Pick<Task, 'signal'>,
): Promise<void> {
  const record = await compare().catch((caught: unknown) => {
    signal.throwIfAborted();
    const error = asNightlyError(caught);
    if (maxMissing === undefined && maxOlder === undefined) {
      warn(error.message);
      return undefined;
    }
    throw new NightlyError('gate-failed', error.message, {
      hint: error.hint ?? 'Correct cycle.upstream, or run again when it can be read.',
      cause: error,
    });
  });
  if (!record) return;
  await keep(record);
  refuseTooFar(record, { ...upstream, maxMissing, maxOlder });
}
