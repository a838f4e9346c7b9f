import pLimit from 'p-limit';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { contentEquals, movedError } from '../expect.ts';
import {
  encodeLock,
  freed,
  isHeld,
  LIFE_MS,
  LOCK_PATH,
  type LockContent,
  newLock,
  readLock,
  refusal,
  renewed,
  timeOf,
  untilUnheld,
} from '../lock-content.ts';
import { signedPairs } from '../signed-pairs.ts';
import type { SmallFile, SwapRequest } from '../target.ts';
import { type Bucket, type Found, getObject } from './s3-client.ts';
import { type EtagStyle, putIf, putObject, unchanged } from './s3-put.ts';

/**
 * Compare and swap on S3, which can do so for one object at a time:
 *   1. take the lock, an object, by a PUT on condition that it is as it was read: absent, given up, or its holder gone;
 *   2. read what is expected and compare;
 *   3. put what goes ahead side by side; then put in order, a signature and what it signs at the same time; what was read in step 2, on condition that it still
 *      has the ETag it was read with;
 *   4. give the lock up, on condition that it is still ours.
 * A holder that stalls for longer than its lock lives finds in step 3 that the lock is over, or, at the very worst, that
 * what it read has changed: it can put no ref or summary over another publisher's.
 */
export async function swapObjects(bucket: Bucket, style: EtagStyle, request: SwapRequest, task: Task): Promise<void> {
  const { name } = bucket.config;
  const { lock, etag, ends } = await take(bucket, style, newLock(), task);
  try {
    const found = await readExpected(bucket, request, task);
    const ahead = request.ahead ?? [];
    await pLimit(bucket.config.parallel).map(ahead, ({ path, content }) =>
      putObject(bucket, path, content, false, task),
    );
    const putGroup = async (group: readonly SmallFile[]): Promise<void> => {
      if (performance.now() > ends) throw over(lock, name);
      // Nobody ends this program between a signature and what it signs, as long as the lock lasts.
      const whole =
        group.length === 1
          ? task
          : { ...task, signal: AbortSignal.timeout(Math.max(0, Math.ceil(ends - performance.now()))) };
      const put = async ({ path, content }: SmallFile): Promise<void> => {
        if (!found.has(path)) {
          await putObject(bucket, path, content, false, whole);
          return;
        }
        const condition = unchanged(found.get(path), style);
        if ((await putIf(bucket, path, content, condition, whole)) === undefined) throw movedError(name, path);
      };
      const faults = (await Promise.allSettled(group.map(put))).filter((end) => end.status === 'rejected');
      if (faults[0]) throw faults[0].reason;
    };
    for (const group of signedPairs(request.put)) await putGroup(group);
    if (request.seal && performance.now() > ends) throw over(lock, name);
    for (const group of signedPairs((await request.seal?.()) ?? [])) await putGroup(group);
  } finally {
    await giveUp(bucket, style, lock, etag, task);
  }
}

interface Taken {
  readonly lock: LockContent;
  /** ETag of the lock object. */
  readonly etag: string;
  /** When its life is over, by a clock that nobody sets (performance.now). */
  readonly ends: number;
}

/** @throws NightlyError `locked` */
async function take(bucket: Bucket, style: EtagStyle, mine: LockContent, task: Task): Promise<Taken> {
  const { name } = bucket.config;
  const refuseHeld = (found: Found | undefined): void => {
    const lock = found && readLock(found.content, name);
    if (lock && isHeld(lock, mine)) throw refusal(lock, name);
  };
  const found = await untilUnheld(() => getObject(bucket, LOCK_PATH, task), mine, name, task);
  const [lock, ends] = [renewed(mine), performance.now() + LIFE_MS];
  const etag = await putIf(bucket, LOCK_PATH, encodeLock(lock), unchanged(found, style), task);
  if (etag !== undefined) return { lock, etag, ends };
  refuseHeld(await getObject(bucket, LOCK_PATH, task));
  throw new NightlyError('locked', `Another publisher has just changed target "${name}".`, {
    hint: 'Run "atomic-nightly resume".',
  });
}

/** Returns what is there at each expected path. @throws NightlyError `target-moved` */
async function readExpected(
  bucket: Bucket,
  { expect }: SwapRequest,
  task: Task,
): Promise<ReadonlyMap<string, Found | undefined>> {
  const found = await Promise.all(expect.map(({ path }) => getObject(bucket, path, task)));
  for (const [index, { path, content }] of expect.entries()) {
    if (!contentEquals(found[index]?.content, content)) throw movedError(bucket.config.name, path);
  }
  return new Map(expect.map(({ path }, index) => [path, found[index]]));
}

function over(lock: LockContent, target: string): NightlyError {
  return new NightlyError(
    'locked',
    `Changing target "${target}" took longer than its lock lasts, until ${timeOf(lock)}; another publisher may hold it now.`,
    { hint: 'Run "atomic-nightly resume".' },
  );
}

/** Also when the task was aborted; failing at it must not hide how the work itself ended. */
async function giveUp(bucket: Bucket, style: EtagStyle, mine: LockContent, etag: string, task: Task): Promise<void> {
  const last: Task = { ...task, signal: AbortSignal.timeout(20_000) };
  try {
    await putIf(bucket, LOCK_PATH, encodeLock(freed(mine)), unchanged({ etag }, style), last);
  } catch {
    task.say(`could not free the lock of target ${bucket.config.name}; it expires at ${timeOf(mine)}`);
  }
}
