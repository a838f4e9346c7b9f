import { expect } from 'vitest';
import type { Task } from '../../src/base/task.ts';
import { summaryRefs } from '../../src/publish/summary.ts';
import type { Target } from '../../src/targets/target.ts';
import { TEST_REF, TEST_TIME, type TestCommit } from './ostree-repo.ts';

interface Publisher {
  readonly target: Target;
  readonly task: Task;
  publish(commit: string, ref?: string): Promise<unknown>;
  commitOf(commit: Omit<TestCommit, 'repo'>): Promise<string>;
}

/** Lets publishers race on a target that has nothing: two for one ref, then three for refs of their own. */
export async function expectRacesWon({ publish, commitOf, target, task }: Publisher): Promise<void> {
  const first = await commitOf({ tree: { a: '0' } });
  await publish(first);
  const next = { parent: first, timestamp: TEST_TIME + 1 };
  const [a, b] = [await commitOf({ tree: { a: '1' }, ...next }), await commitOf({ tree: { a: '2' }, ...next })];
  const results = await Promise.allSettled([publish(a), publish(b)]);
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
  expect(reasons).toEqual(['target-moved']);
  const others = ['r1', 'r2', 'r3'];
  const commits = await Promise.all(others.map((ref) => commitOf({ tree: { [ref]: '' }, ref })));
  await Promise.all(others.map((ref, index) => publish(commits[index] ?? '', ref)));
  const summary = await target.read('repo/summary', task);
  expect(summary && [...summaryRefs(summary).keys()].sort()).toEqual([...others, TEST_REF]);
}
