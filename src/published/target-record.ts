import { NightlyError } from '../base/errors.ts';
import { type RecordFormat, readRecord } from '../base/read-record.ts';
import type { Target } from '../targets/target.ts';

/** How messages name a file of a target. */
export function placeOn(path: string, target: Pick<Target, 'name'>): string {
  return `${path} on target "${target.name}"`;
}

/**
 * Reads a record of a target. Whoever can write there may have written anything, so nothing in it becomes a path, a ref or a
 * name before it was parsed here.
 * @throws NightlyError `unsupported`, naming all that is wrong with it.
 */
export function readTargetRecord<Value>(
  content: Uint8Array,
  format: RecordFormat<Value>,
  path: string,
  target: Pick<Target, 'name'>,
): Value {
  return onTarget(() => readRecord(content, format, placeOn(path, target)));
}

/** Has a record of a target read; what is damaged there is not ours to repair, which the code says. @throws NightlyError `unsupported`. */
export function onTarget<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof NightlyError && error.code === 'record')) throw error;
    const { message, hint = '' } = error;
    throw new NightlyError('unsupported', message, { hint, cause: error });
  }
}
