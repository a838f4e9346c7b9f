import { dirname, relative } from 'node:path';
import type { Task } from '../../base/task.ts';
import type { StoredBuild } from '../../build/build-store.ts';
import type { TypedImage } from '../../images/image.ts';
import { updateRecord } from '../../publish/publish-files.ts';
import {
  LATEST_POINTER,
  latestPath,
  RELEASE_INDEX,
  releasesPath,
  STREAM_METADATA,
  type StreamMetadata,
  streamMetadataPath,
} from '../../published/stream-files.ts';
import { BOX_CATALOGUE, boxesPath, withoutBoxVersions } from '../../published/vagrant-catalogue.ts';
import type { Project } from '../../run/project.ts';
import type { Target } from '../../targets/target.ts';
import { boxSigning } from '../deliver/box-catalogue.ts';
import type { PointerPlace } from '../deliver/record-signing.ts';
import { streamMetadataSigning, withImages } from '../deliver/stream-metadata.ts';
import { latestSigning, releasesSigning, withWithdrawn } from './release-pointers.ts';

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
  const { config, stream, ref } = project;
  const { name, arch } = stream;
  const { bad, previous, images, commit, reason } = back;
  const { buildid: release } = previous.meta;
  const folder = `${target.publicUrl}/${relative(config.work, dirname(previous.paths.meta))}`;
  // What is not there leads nobody to a bad build.
  await updateRecord(
    { path: latestPath(name), format: LATEST_POINTER },
    (old) => {
      if (old?.arches[arch]?.build !== bad) return old;
      const entry = { build: release, commit, ref, notes: `${folder}/release/notes.md` };
      return { ...old, arches: { ...old.arches, [arch]: entry } };
    },
    target,
    task,
    latestSigning(project, target, task),
  );
  await updateRecord(
    { path: releasesPath(name), format: RELEASE_INDEX },
    (old) => old && withWithdrawn(old, bad, reason),
    target,
    task,
    releasesSigning(project, target, task),
  );
  await offerAgain(project, { bad: [bad], release, folder, images }, target, task);
  task.say(`${target.describe()}: ${release} is the latest release of ${name} again`);
}

/** Leads nobody to images and boxes of bad builds any more, but to those of a good one. */
export async function offerAgain(
  project: PointerPlace,
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
  const { name, arch, vagrantBox } = project.stream;
  const offered = (old: StreamMetadata | undefined): StreamMetadata | undefined => {
    const { [arch]: ours } = old?.architectures ?? {};
    const kept = Object.entries(ours?.artifacts ?? {}).filter(([, artifact]) => !bad.includes(artifact.release));
    if (!old || !ours || kept.length === Object.keys(ours.artifacts).length) return old;
    const without = {
      ...old,
      metadata: { ...old.metadata, lastModified: new Date().toISOString() },
      architectures: { ...old.architectures, [arch]: { ...ours, artifacts: Object.fromEntries(kept) } },
    };
    return withImages(without, { stream: name, arch, release, folder, images });
  };
  const metadata = { path: streamMetadataPath(name), format: STREAM_METADATA };
  await updateRecord(metadata, offered, target, task, streamMetadataSigning(project, target, task));
  const boxes = boxesPath(vagrantBox);
  await updateRecord(
    { path: boxes, format: BOX_CATALOGUE },
    (old) => old && withoutBoxVersions(old, bad),
    target,
    task,
    boxSigning(project, target, task),
  );
}
