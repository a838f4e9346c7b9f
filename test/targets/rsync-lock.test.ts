import { readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Task } from '../../src/base/task.ts';
import { daemonBed, rrsyncBed } from '../support/target-beds.ts';
import { testTask } from '../support/tmp.ts';

const LOCK = '.atomic-nightly.lock';
const bytes = (text: string): Uint8Array => Buffer.from(text);

/** How many rsync processes some work starts. */
async function transfers({ logFile }: Task, work: () => Promise<unknown>): Promise<number> {
  const count = async (): Promise<number> =>
    (await readFile(logFile, 'utf8').catch(() => '')).split('\n').filter((line) => line.startsWith('$ rsync')).length;
  const before = await count();
  await work();
  return (await count()) - before;
}

describe.each([
  ['over ssh', rrsyncBed],
  ['daemon', daemonBed],
])('the lock of an rsync target, %s', (_, open) => {
  it('costs three transfers besides reading what is expected and putting; two more where it was not given up', async () => {
    const { dir, far, target } = await open();
    const task = testTask(dir);
    let value: string | undefined;
    const swap = (next: string) =>
      transfers(task, async () => {
        const expected = value === undefined ? undefined : bytes(value);
        await target.swap(
          { expect: [{ path: 'flag', content: expected }], put: [{ path: 'flag', content: bytes(next) }] },
          task,
        );
        value = next;
      });
    expect(await swap('1')).toBe(4);
    expect(await swap('2')).toBe(4);
    expect((await stat(join(far, LOCK))).mtimeMs).toBe(1000);
    expect(JSON.parse(await readFile(join(far, LOCK), 'utf8'))).toMatchObject({ until: 0 });
    // As a holder that died leaves it, or a program that gives it no time.
    await utimes(join(far, LOCK), new Date(), new Date());
    expect(await swap('3')).toBe(6);
    expect(await swap('4')).toBe(4);
    expect(await readFile(join(far, 'flag'), 'utf8')).toBe('4');
  });

  it('is not taken from somebody who has it, and no other program’s file is written over', async () => {
    const { dir, far, target } = await open();
    const task = testTask(dir);
    const swap = () => target.swap({ expect: [], put: [{ path: 'flag', content: bytes('x') }] }, task);
    await swap();
    const held = JSON.stringify({
      token: 't',
      host: 'another.example.org',
      boot: 'b',
      pid: 1,
      until: Date.now() + 60_000,
    });
    for (const content of [held, '', 'something else\n']) {
      await writeFile(join(far, LOCK), content);
      await expect(swap()).rejects.toMatchObject({ code: 'locked' });
      expect(await readFile(join(far, LOCK), 'utf8')).toBe(content);
    }
  });
});
