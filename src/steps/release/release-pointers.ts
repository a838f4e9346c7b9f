import type { Task } from '../../base/task.ts';
import { compareBuildIds } from '../../build/build-id.ts';
import { updateJson } from '../../publish/publish-files.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { Target } from '../../targets/target.ts';
import { type StreamPointer, withNewest } from '../deliver/newest-pointer.ts';

/**
 * `streams/<stream>/releases.json`: every release of a stream, oldest first, in the format of Fedora CoreOS's release
 * index (github.com/coreos/fedora-coreos-releng-automation, `coreos-meta-translator`), with `withdrawn` added.
 */
export interface ReleaseIndex {
  readonly note: string;
  readonly stream: string;
  readonly metadata: { readonly 'last-modified': string };
  readonly releases: readonly IndexedRelease[];
}

export interface IndexedRelease {
  readonly version: string;
  readonly commits: readonly { readonly architecture: string; readonly checksum: string }[];
  /** URL of its record. */
  readonly metadata: string;
  /** Why nobody should use it any more. */
  readonly withdrawn?: string;
}

/** `streams/<stream>/latest.json`: the newest release of a stream, by architecture. */
export type LatestPointer = StreamPointer<{
  readonly build: string;
  readonly commit: string;
  readonly ref: string;
  /** URL of its release notes. */
  readonly notes: string;
}>;

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
  const release = { version: id, arch, commit, metadata: `${folder}/meta.json` };
  await updateJson<ReleaseIndex>(
    `streams/${name}/releases.json`,
    (old) => withRelease(old, name, release),
    target,
    task,
    signer,
  );
  const entry = { build: id, commit, ref, notes: `${folder}/release/notes.md` };
  await updateJson<LatestPointer>(
    `streams/${name}/latest.json`,
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
    metadata: { 'last-modified': new Date().toISOString() },
    releases: [...others, { ...there, version, commits, metadata }].toSorted((a, b) =>
      compareBuildIds(a.version, b.version),
    ),
  };
}
