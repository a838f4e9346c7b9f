import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/programs/exec.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { setRef } from '../../src/publish/move-ref.ts';
import { updateRecord } from '../../src/publish/publish-files.ts';
import type { ReconcileRepairs } from '../../src/publish/reconcile/reconcile-target.ts';
import { BUILD_INDEX } from '../../src/published/build-index.ts';
import { INDEX_PATH, withBuilds } from '../../src/steps/deliver/publish-build.ts';
import type { PublishedTarget } from './published-target.ts';

/** Refs and the index as a publish sets them. */
export function publishRepairs({ repo, target, task }: PublishedTarget): ReconcileRepairs {
  return {
    flip: (ref, commit) => setRef({ log: NO_LOG, repo, target, ref, commit }, task),
    log: async () => undefined,
    index: (builds) =>
      updateRecord({ path: INDEX_PATH, format: BUILD_INDEX }, (old) => withBuilds(old, builds), target, task),
  };
}

/** Replaces a file, as a fault of a disk or a person would: the local copy it may be a hard link to stays. */
export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  await run('rm', ['-f', path]);
  await writeFile(path, content);
}

/** Files below a folder whose name ends so, sorted. */
export async function filesEnding(folder: string, end: string): Promise<string[]> {
  const { stdout } = await run('find', [folder, '-type', 'f', '-name', `*${end}`]);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .sort();
}

/** Numbers from 0 up to a limit, the same for the same seed (mulberry32). */
export function seededRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

/** A copy of a folder put in place of what is there now. */
export async function restoreFolder(copy: string, folder: string): Promise<void> {
  await run('find', [folder, '-mindepth', '1', '-delete']);
  await run('cp', ['-a', `${copy}/.`, folder]);
}

/** `ostree fsck` of a target's repository; throws when it is not sound. */
export async function fsck(far: string): Promise<void> {
  await run('ostree', [`--repo=${join(far, 'repo')}`, 'fsck', '--quiet', '--all']);
}
