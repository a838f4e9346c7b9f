import { join } from 'node:path';
import pLimit, { type LimitFunction } from 'p-limit';
import { makeFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { takeFlock } from '../programs/flock.ts';
import { rebuildFolder } from './rebuild-folder.ts';

/** Work of this process, by folder: one after the other, before anybody asks for the lock. */
const turns = new Map<string, LimitFunction>();

/**
 * Does something while nobody else changes the records of rebuilds: draws, disputes, levels, classes. It is held for moments, so
 * that a verdict need not wait for the rebuilds under way, and is free when its holder dies.
 */
export async function withRebuildLock<Result>(work: string, task: Task, what: () => Promise<Result>): Promise<Result> {
  const folder = rebuildFolder(work);
  const turn = turns.get(folder) ?? pLimit(1);
  turns.set(folder, turn);
  return turn(() => locked(folder, task, what));
}

async function locked<Result>(folder: string, task: Task, what: () => Promise<Result>): Promise<Result> {
  await makeFolder(folder);
  const free = await takeFlock(join(folder, 'records.lock'), task);
  try {
    return await what();
  } finally {
    await free();
  }
}
