import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SyncResult, tagQueue } from '../../src/content/tag-queue.ts';

const TIMES = { quiet: 30, longest: 600, retry: 60 };
const A = 'storage7-gluster-7-release';
const B = 'cloud8s-openstack-yoga-release';

/** Runs the queue to the end of the time, a tick each; every sync takes `takes` and ends as told. */
function play(
  until: number,
  script: (now: number, queue: ReturnType<typeof tagQueue>) => void,
  { takes = 5, result = () => 'unchanged' }: { takes?: number; result?: (tag: string, at: number) => SyncResult } = {},
): { readonly begun: [string, number][]; readonly queue: ReturnType<typeof tagQueue> } {
  const queue = tagQueue(TIMES);
  const begun: [string, number][] = [];
  const ends: { tag: string; at: number }[] = [];
  for (let now = 0; now <= until; now += 1) {
    for (const one of ends.filter(({ at }) => at === now)) queue.ended(one.tag, result(one.tag, now), now);
    script(now, queue);
    for (const tag of queue.take(now, 8)) {
      begun.push([tag, now]);
      ends.push({ tag, at: now + takes });
    }
  }
  return { begun, queue };
}

describe('one queue a tag', () => {
  it('300 messages in a row are one sync once it is quiet', () => {
    const { begun } = play(340, (now, queue) => now < 300 && queue.heard(A, now, true));
    expect(begun).toEqual([[A, 329]]);
  });

  it('a tag that never rests is synced after the longest wait', () => {
    const { begun } = play(1300, (now, queue) => queue.heard(A, now, true));
    expect(begun.map(([, at]) => at)).toEqual([600, 1201]);
  });

  it('C2: after a message, which comes before the hub commits, the tag is looked at again for the longest wait', () => {
    const { begun, queue } = play(2000, (now, q) => now === 0 && q.heard(A, now, false));
    // At once when quiet, then at growing distances, the last one after the longest wait: a commit minutes later is found.
    expect(begun.map(([, at]) => at)).toEqual([30, 65, 160, 435, TIMES.longest]);
    expect(queue.tags()).toEqual([]);
  });

  it('what is heard while a sync runs is not lost', () => {
    const { begun } = play(200, (now, queue) => (now === 0 || now === 32) && queue.heard(A, now, true));
    expect(begun).toEqual([
      [A, 30],
      [A, 62],
    ]);
  });

  it('C9: a tag that fails delays no other, and is tried again at growing distances', () => {
    const { begun } = play(
      2000,
      (now, queue) => {
        if (now === 0) for (const tag of [A, B]) queue.heard(tag, now, true);
      },
      {
        result: (tag) => (tag === A ? 'failed' : 'unchanged'),
      },
    );
    expect(begun.filter(([tag]) => tag === B)).toEqual([[B, 30]]);
    const tries = begun.filter(([tag]) => tag === A).map(([, at]) => at);
    expect(tries.slice(0, 4)).toEqual([30, 95, 220, 465]);
  });

  it('messages about a tag that fails do not bring the next try forward, a request does', () => {
    const { begun } = play(
      200,
      (now, queue) => {
        if (now === 0 || (now > 40 && now < 80)) queue.heard(A, now, true);
        if (now === 150) queue.ask(A, now);
      },
      { result: (_, at) => (at < 140 ? 'failed' : 'unchanged') },
    );
    expect(begun.map(([, at]) => at)).toEqual([30, 109, 150]);
  });

  it('a tag that another process has is asked for again; one that a person must look at is not', () => {
    const locked = play(100, (now, queue) => now === 0 && queue.heard(A, now, true), {
      result: (_, at) => (at < 50 ? 'locked' : 'unchanged'),
    });
    expect(locked.begun.map(([, at]) => at)).toEqual([30, 65]);
    const refused = play(2000, (now, queue) => now === 0 && queue.heard(A, now, false), { result: () => 'refused' });
    expect(refused.begun.map(([, at]) => at)).toEqual([30]);
  });

  it('whatever is heard, each word is followed by a sync that begins after it, and a tag has one sync at a time', () => {
    const events = fc.array(
      fc.record({ at: fc.nat(3000), tag: fc.constantFrom(A, B), committed: fc.boolean(), takes: fc.nat(200) }),
      { minLength: 1, maxLength: 60 },
    );
    const results = fc.infiniteStream(fc.constantFrom<SyncResult>('published', 'unchanged', 'locked', 'failed'));
    fc.assert(
      fc.property(events, results, (words, ends) => {
        const queue = tagQueue(TIMES);
        const last = new Map<string, number>();
        const began = new Map<string, number>();
        const running = new Map<string, number>();
        for (let now = 0; now < 40_000; now += 10) {
          for (const [tag, end] of running) {
            if (end > now) continue;
            running.delete(tag);
            // In the end everything succeeds.
            queue.ended(tag, now > 5000 ? 'unchanged' : ends.next().value, now);
          }
          for (const { tag, committed } of words.filter(({ at }) => at >= now && at < now + 10)) {
            queue.heard(tag, now, committed);
            last.set(tag, now);
          }
          for (const tag of queue.take(now, 1)) {
            expect(running.has(tag)).toBe(false);
            running.set(tag, now + (words[0]?.takes ?? 0) + 1);
            began.set(tag, now);
          }
        }
        for (const [tag, at] of last) expect(began.get(tag)).toBeGreaterThanOrEqual(at);
        expect(queue.tags()).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });
});
