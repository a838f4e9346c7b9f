import { join } from 'node:path';
import { makeFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { takeFlock } from '../programs/flock.ts';
import { rebuildFolder } from './rebuild-folder.ts';

/** Work of this process, by folder: one after the other, before anybody asks for the lock. */
const turns = new Map<string, Promise<unknown>>();

/**
 * Does something while nobody else changes the records of rebuilds: draws, disputes, levels, classes. It is held for moments, so
 * that a verdict need not wait for the rebuilds under way, and is free when its holder dies.
 */
export async function withRebuildLock<Result>(work: string, task: Task, what: () => Promise<Result>): Promise<Result> {
  const folder = rebuildFolder(work);
  const before = turns.get(folder) ?? Promise.resolve();
  const mine = before.catch(() => undefined).then(() => locked(folder, task, what));
  turns.set(
    folder,
    mine.catch(() => undefined),
  );
  return mine;
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
