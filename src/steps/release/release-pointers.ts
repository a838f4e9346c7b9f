import type { Task } from '../../base/task.ts';
import { RECORD_FILE } from '../../build/build-files.ts';
import { compareBuildIds } from '../../build/build-id.ts';
import { updateRecord } from '../../publish/publish-files.ts';
import { buildFolder, recordPath } from '../../published/paths.ts';
import type { RecordSigning } from '../../published/record-trust.ts';
import {
  LATEST_POINTER,
  type LatestPointer,
  latestPath,
  RELEASE_INDEX,
  type ReleaseIndex,
  releasesPath,
} from '../../published/stream-files.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { Target } from '../../targets/target.ts';
import { withNewest } from '../deliver/newest-pointer.ts';
import type { PublishedBuilds } from '../deliver/published-builds.ts';
import { type PointerPlace, recordSigning } from '../deliver/record-signing.ts';

/**
 * Names a release in its stream's index and, unless a later one is there, as the latest.
 * @param folder URL of the build's folder
 */
export async function pointAtRelease(
  project: Project,
  { id }: Build,
  { commit, folder }: { readonly commit: string; readonly folder: string },
  target: Target,
  task: Task,
): Promise<void> {
  const { stream, ref } = project;
  const { name, arch } = stream;
  const release = { version: id, arch, commit, metadata: `${folder}/${RECORD_FILE}` };
  await updateRecord(
    { path: releasesPath(name), format: RELEASE_INDEX },
    (old) => withRelease(old, name, release),
    target,
    task,
    releasesSigning(project, target, task),
  );
  const entry = { build: id, commit, ref, notes: `${folder}/release/notes.md` };
  await updateRecord(
    { path: latestPath(name), format: LATEST_POINTER },
    (old) => withNewest(old, name, arch, entry),
    target,
    task,
    latestSigning(project, target, task),
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

/** Returns the index with a release marked, and why; unchanged when it is. */
export function withWithdrawn(old: ReleaseIndex, version: string, reason: string): ReleaseIndex {
  if (old.releases.every((one) => one.version !== version || one.withdrawn === reason)) return old;
  return {
    ...old,
    metadata: { lastModified: new Date().toISOString() },
    releases: old.releases.map((one) => (one.version === version ? { ...one, withdrawn: reason } : one)),
  };
}

/** Who signs the index of releases, and what it is made from: the records of the stream's releases. */
export function releasesSigning(
  place: PointerPlace,
  target: Target,
  task: Task,
): RecordSigning<ReleaseIndex> | undefined {
  const { name } = place.stream;
  const anew = async ({ there }: PublishedBuilds): Promise<ReleaseIndex | undefined> => {
    let index: ReleaseIndex | undefined;
    for (const { buildid: version, basearch: arch, ostreeCommit: commit, stream, release } of there) {
      if (stream !== name || release === undefined || commit === undefined) continue;
      const metadata = `${target.publicUrl}/${recordPath(version, arch)}`;
      index = withRelease(index, name, { version, arch, commit, metadata });
      if (release.withdrawn) index = withWithdrawn(index, version, release.withdrawn.reason);
    }
    return index;
  };
  return recordSigning(place, target, anew, task);
}

/** Who signs the pointer to the latest release, and what it is made from: the same records, and our own of withdrawals. */
export function latestSigning(
  place: PointerPlace,
  target: Target,
  task: Task,
): RecordSigning<LatestPointer> | undefined {
  const { name } = place.stream;
  const anew = async ({ there, here }: PublishedBuilds): Promise<LatestPointer | undefined> => {
    let pointer: LatestPointer | undefined;
    for (const { buildid: build, basearch: arch, ostreeCommit, stream, ref, release } of there) {
      if (stream !== name || release === undefined || release.withdrawn) continue;
      // After a withdrawal hosts get its tree in another commit.
      const back = [...here, ...there].find(
        ({ withdrawal, state }) => withdrawal?.previous === build && state === 'complete',
      );
      const commit = back?.ostreeCommit ?? ostreeCommit;
      const notes = `${target.publicUrl}/${buildFolder(build, arch)}/release/notes.md`;
      if (commit !== undefined) pointer = withNewest(pointer, name, arch, { build, commit, ref, notes });
    }
    return pointer;
  };
  return recordSigning(place, target, anew, task);
}
