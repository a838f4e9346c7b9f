import { relative } from 'node:path';
import type { Task } from '../../base/task.ts';
import { compareBuildIds, isBuildId } from '../../build/build-id.ts';
import type { TypedImage } from '../../images/image.ts';
import { updateRecord } from '../../publish/publish-files.ts';
import type { RecordSigning } from '../../published/record-trust.ts';
import {
  type Artifact,
  STREAM_METADATA,
  type StreamMetadata,
  streamMetadataPath,
} from '../../published/stream-files.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { Target } from '../../targets/target.ts';
import type { PublishedBuilds } from './published-builds.ts';
import { offeredImages, type PointerPlace, recordSigning } from './record-signing.ts';

/**
 * Names a build's images in the stream's metadata on a target. Does nothing for a build without images.
 * @throws NightlyError `locked`, `target-moved`, `unsupported` (what is there is damaged).
 */
export async function publishStreamMetadata(
  project: Project,
  build: Build,
  target: Target,
  images: readonly TypedImage[],
  task: Task,
): Promise<void> {
  if (images.length === 0) return;
  const { config, stream } = project;
  const folder = `${target.publicUrl}/${relative(config.work, build.paths.dir)}`;
  const { name, arch } = stream;
  await updateRecord(
    { path: streamMetadataPath(name), format: STREAM_METADATA },
    (old) => withImages(old, { stream: name, arch, release: build.id, folder, images }),
    target,
    task,
    streamMetadataSigning(project, target, task),
  );
}

/** Who signs it, and what it is made from: the records of the stream's builds. */
export function streamMetadataSigning(
  place: PointerPlace,
  target: Target,
  task: Task,
): RecordSigning<StreamMetadata> | undefined {
  const anew = async (builds: PublishedBuilds): Promise<StreamMetadata | undefined> => {
    const offered = await offeredImages(place, builds, target);
    return offered.reduce<StreamMetadata | undefined>(
      (old, { meta, folder, images }) =>
        withImages(old, { stream: place.stream.name, arch: meta.basearch, release: meta.buildid, folder, images }),
      undefined,
    );
  };
  return recordSigning(place, target, anew, task);
}

/**
 * Returns the metadata with a build's images in it, but for those that a later build has; unchanged when that is all of
 * them.
 */
export function withImages(
  old: StreamMetadata | undefined,
  added: {
    readonly stream: string;
    readonly arch: string;
    readonly release: string;
    /** URL of the build's folder. */
    readonly folder: string;
    readonly images: readonly TypedImage[];
  },
): StreamMetadata {
  const { stream, arch, release, folder, images } = added;
  const artifacts: Record<string, Artifact> = { ...old?.architectures[arch]?.artifacts };
  const before = JSON.stringify(artifacts);
  for (const { template, image } of images) {
    if (isLater(artifacts[template.name]?.release, release)) continue;
    artifacts[template.name] = {
      release,
      formats: {
        [template.format]: {
          disk: {
            location: `${folder}/${image.path}`,
            sha256: image.sha256,
            uncompressedSha256: image.uncompressedSha256,
          },
        },
      },
    };
  }
  if (old && JSON.stringify(artifacts) === before) return old;
  return {
    stream,
    metadata: { lastModified: new Date().toISOString(), generator: 'atomic-nightly' },
    architectures: { ...old?.architectures, [arch]: { artifacts, images: {} } },
  };
}

function isLater(there: string | undefined, release: string): boolean {
  return there !== undefined && isBuildId(there) && compareBuildIds(there, release) > 0;
}
