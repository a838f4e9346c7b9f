import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { writeFileAtomic } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import {
  type CommitInfo,
  checkedObject,
  localObjects,
  type MetadataType,
  objectPath,
  type ReadObject,
  readCommit,
} from '../ostree/objects.ts';
import type { Target } from '../targets/target.ts';

/**
 * Reads metadata objects of what a target has: from the local repository, which has them as a rule, else over the
 * target's public URL. What is fetched is kept, since the next night asks for the same.
 */
export function publishedObjects(repo: string, target: Target, task: Task): ReadObject {
  const readLocal = localObjects(repo);
  return async (checksum, type) => (await readLocal(checksum, type)) ?? fetchObject(repo, checksum, type, target, task);
}

/** Returns a commit's record; the commit object is fetched when it is not in the local repository. */
export async function fetchCommit(repo: string, checksum: string, target: Target, task: Task): Promise<CommitInfo> {
  await publishedObjects(repo, target, task)(checksum, 'commit');
  return readCommit(repo, checksum);
}

/**
 * Reads a file over the public URL of a target; undefined when the server says that there is none. Where no such URL is known,
 * the target itself is asked.
 * @throws NightlyError `target-unreachable`, naming the target and the address, when there is no clear answer.
 */
export async function readPublic(path: string, target: Target, task: Task): Promise<Uint8Array | undefined> {
  if (target.publicUrl === '') return target.read(path, task);
  const url = `${target.publicUrl}/${path}`;
  // The HTTP client takes longer to load than a push takes to be looked at, and a push needs it rarely.
  const { readPublished } = await import('../ostree/seed-repo.ts');
  return readPublished(url, task.signal).catch((error: unknown) => {
    task.signal.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    throw new NightlyError('target-unreachable', `What target "${target.name}" has cannot be read at ${url}: ${why}`, {
      hint: `Check that the web server in front of the target runs, that targets.${target.name}.url leads to it, and what a proxy in between says. Then run the command again, or "atomic-nightly resume" for a build.`,
      cause: error,
    });
  });
}

async function fetchObject(
  repo: string,
  checksum: string,
  type: MetadataType,
  target: Target,
  task: Task,
): Promise<Uint8Array> {
  const path = objectPath(checksum, type);
  const url = `${target.publicUrl}/repo/${path}`;
  const bytes = await readPublic(`repo/${path}`, target, task);
  if (!bytes) {
    throw new NightlyError(
      'verify',
      `Target "${target.name}" is damaged: what it publishes needs ${url}, which is not there.`,
      {
        hint: 'Restore that object from a backup or mirror; clients that need it fail as well.',
      },
    );
  }
  checkedObject(bytes, checksum, type, url);
  // A commit without its tree: ostree must know, or its fsck calls the repository damaged.
  if (type === 'commit') await writeFileAtomic(join(repo, 'state', `${checksum}.commitpartial`), '');
  await writeFileAtomic(join(repo, path), bytes);
  return bytes;
}
