import { dirname, relative } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import type { RecordFormat } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import type { StoredBuild } from '../../build/build-store.ts';
import type { TypedImage } from '../../images/image.ts';
import { updateRecord } from '../../publish/publish-files.ts';
import {
  LATEST_POINTER,
  latestPath,
  RELEASE_INDEX,
  type ReleaseIndex,
  releasesPath,
  STREAM_METADATA,
  streamMetadataPath,
} from '../../published/stream-files.ts';
import { BOX_CATALOGUE, boxesPath, withoutBoxVersions } from '../../published/vagrant-catalogue.ts';
import type { Project } from '../../run/project.ts';
import type { Signer } from '../../signing/signer.ts';
import type { Target } from '../../targets/target.ts';
import { withImages } from '../deliver/stream-metadata.ts';

export interface Back {
  /** Build id of the release that is withdrawn. */
  readonly bad: string;
  readonly previous: StoredBuild;
  readonly images: readonly TypedImage[];
  /** The commit that hosts get instead. */
  readonly commit: string;
  readonly reason: string;
}

/** Leads everybody who asks a target for the latest release to the one before: pointer, index, images, boxes. */
export async function restorePointers(project: Project, back: Back, target: Target, task: Task): Promise<void> {
  const { config, stream, ref, signer } = project;
  const { name, arch } = stream;
  const { bad, previous, images, commit, reason } = back;
  const { buildid: release } = previous.meta;
  const folder = `${target.publicUrl}/${relative(config.work, dirname(previous.paths.meta))}`;
  const update = updaterOf(target, signer, task);
  await update(latestPath(name), LATEST_POINTER, (old) => {
    if (old.arches[arch]?.build !== bad) return old;
    const entry = { build: release, commit, ref, notes: `${folder}/release/notes.md` };
    return { ...old, arches: { ...old.arches, [arch]: entry } };
  });
  await update(releasesPath(name), RELEASE_INDEX, (old) => withWithdrawn(old, bad, reason));
  await offerAgain(project, { bad: [bad], release, folder, images }, target, task);
  task.say(`${target.describe()}: ${release} is the latest release of ${name} again`);
}

/** Leads nobody to images and boxes of bad builds any more, but to those of a good one. */
export async function offerAgain(
  { stream, signer }: Pick<Project, 'stream' | 'signer'>,
  {
    bad,
    release,
    folder,
    images,
  }: {
    /** Build ids. */
    readonly bad: readonly string[];
    /** Build id of the good one. */
    readonly release: string;
    /** URL of its folder. */
    readonly folder: string;
    readonly images: Back['images'];
  },
  target: Target,
  task: Task,
): Promise<void> {
  const { name, arch, vagrantBox } = stream;
  const update = updaterOf(target, signer, task);
  await update(streamMetadataPath(name), STREAM_METADATA, (old) => {
    const { [arch]: ours } = old.architectures;
    const kept = Object.entries(ours?.artifacts ?? {}).filter(([, artifact]) => !bad.includes(artifact.release));
    if (!ours || kept.length === Object.keys(ours.artifacts).length) return old;
    const without = {
      ...old,
      metadata: { ...old.metadata, lastModified: new Date().toISOString() },
      architectures: { ...old.architectures, [arch]: { ...ours, artifacts: Object.fromEntries(kept) } },
    };
    return withImages(without, { stream: name, arch, release, folder, images });
  });
  const boxes = boxesPath(vagrantBox);
  await updateRecord(
    { path: boxes, format: BOX_CATALOGUE },
    (old) => old && withoutBoxVersions(old, bad),
    target,
    task,
    signer,
  );
}

/** Changes a record of a target that is there: what is not there leads nobody to a bad build. */
function updaterOf(target: Target, signer: Signer | undefined, task: Task) {
  return async <Value>(path: string, format: RecordFormat<Value>, change: (old: Value) => Value): Promise<void> => {
    if ((await target.read(path, task)) === undefined) return;
    const named = (old: Value | undefined): Value => {
      if (old !== undefined) return change(old);
      throw new NightlyError('target-moved', `${path} on target "${target.name}" has gone meanwhile.`);
    };
    await updateRecord({ path, format }, named, target, task, signer);
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
