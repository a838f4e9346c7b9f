import type { Task } from '../../base/task.ts';
import { RECORD_FILE } from '../../build/build-files.ts';
import { compareBuildIds } from '../../build/build-id.ts';
import { updateRecord } from '../../publish/publish-files.ts';
import {
  LATEST_POINTER,
  latestPath,
  RELEASE_INDEX,
  type ReleaseIndex,
  releasesPath,
} from '../../published/stream-files.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { Target } from '../../targets/target.ts';
import { withNewest } from '../deliver/newest-pointer.ts';

/**
 * Names a release in its stream's index and, unless a later one is there, as the latest.
 * @param folder URL of the build's folder
 */
export async function pointAtRelease(
  { stream, ref, signer }: Project,
  { id }: Build,
  { commit, folder }: { readonly commit: string; readonly folder: string },
  target: Target,
  task: Task,
): Promise<void> {
  const { name, arch } = stream;
  const release = { version: id, arch, commit, metadata: `${folder}/${RECORD_FILE}` };
  await updateRecord(
    { path: releasesPath(name), format: RELEASE_INDEX },
    (old) => withRelease(old, name, release),
    target,
    task,
    signer,
  );
  const entry = { build: id, commit, ref, notes: `${folder}/release/notes.md` };
  await updateRecord(
    { path: latestPath(name), format: LATEST_POINTER },
    (old) => withNewest(old, name, arch, entry),
    target,
    task,
    signer,
  );
  task.say(`${target.describe()}: ${id} is the latest release of ${name}`);
}

/** Returns the index with a release in it; unchanged when it is there for that architecture. */
export function withRelease(
  old: ReleaseIndex | undefined,
  stream: string,
  { version, arch, commit, metadata }: { version: string; arch: string; commit: string; metadata: string },
): ReleaseIndex {
  const releases = old?.releases ?? [];
  const there = releases.find((one) => one.version === version);
  if (old && there?.commits.some(({ architecture }) => architecture === arch)) return old;
  const commits = [...(there?.commits ?? []), { architecture: arch, checksum: commit }];
  const others = releases.filter((one) => one.version !== version);
  return {
    note: 'For programs. People read the notes of each release.',
    stream,
    metadata: { lastModified: new Date().toISOString() },
    releases: [...others, { ...there, version, commits, metadata }].toSorted((a, b) =>
      compareBuildIds(a.version, b.version),
    ),
  };
}
