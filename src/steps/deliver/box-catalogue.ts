import { basename, relative } from 'node:path';
import type { Task } from '../../base/task.ts';
import { formatOf } from '../../images/formats.ts';
import type { TypedImage } from '../../images/image.ts';
import { updateRecord } from '../../publish/publish-files.ts';
import type { RecordSigning } from '../../published/record-trust.ts';
import {
  BOX_CATALOGUE,
  type BoxCatalogue,
  type BoxProvider,
  boxesPath,
  withBoxVersion,
} from '../../published/vagrant-catalogue.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { Target } from '../../targets/target.ts';
import type { PublishedBuilds } from './published-builds.ts';
import { type OfferedImages, offeredImages, type PointerPlace, recordSigning } from './record-signing.ts';

/** Go's names of architectures, which Vagrant uses. */
const ARCHITECTURES = { x86_64: 'amd64', aarch64: 'arm64', ppc64le: 'ppc64le', s390x: 's390x' } as const;

/**
 * Names a build's Vagrant boxes in the stream's catalogue on a target, for `vagrant box add URL` and `vagrant box update`.
 * Does nothing for a build without boxes.
 * @throws NightlyError `unsupported` when the catalogue there is not one of ours; `locked`, `target-moved`.
 */
export async function publishBoxes(
  project: Project,
  build: Build,
  target: Target,
  images: readonly TypedImage[],
  task: Task,
): Promise<void> {
  const { vagrantBox: name, arch } = project.stream;
  const folder = `${target.publicUrl}/${relative(project.config.work, build.paths.dir)}`;
  const providers = boxesAmong(images, folder, ARCHITECTURES[arch]);
  if (providers.length === 0) return;
  const path = boxesPath(name);
  const description = describe(project);
  await updateRecord(
    { path, format: BOX_CATALOGUE },
    (old) => withBoxVersion(old, { name, description, buildId: build.id, providers }),
    target,
    task,
    boxSigning(project, target, task),
  );
  task.say(`boxes of ${build.id} in ${target.publicUrl}/${path}`);
}

const describe = ({ config, stream }: Pick<PointerPlace, 'config' | 'stream'>): string =>
  `${config.name}, ${stream.name}`;

/** @param folder URL of the build's folder */
function boxesAmong(images: OfferedImages['images'], folder: string, architecture: string): BoxProvider[] {
  return images.flatMap(({ template, image }): BoxProvider[] => {
    const format = formatOf(template);
    if (format.kind !== 'disk' || !format.vagrantProvider) return [];
    return [
      {
        name: format.vagrantProvider,
        url: `${folder}/images/${basename(image.path)}`,
        checksum: image.sha256,
        checksum_type: 'sha256',
        architecture,
      },
    ];
  });
}

/** Who signs it, and what it is made from: the records of the stream's builds, as far as their boxes are there. */
export function boxSigning(place: PointerPlace, target: Target, task: Task): RecordSigning<BoxCatalogue> | undefined {
  const { vagrantBox: name } = place.stream;
  const anew = async (builds: PublishedBuilds): Promise<BoxCatalogue | undefined> => {
    let catalogue: BoxCatalogue | undefined;
    for (const { meta, folder, images } of await offeredImages(place, builds, target)) {
      const architecture = Object.entries(ARCHITECTURES).find(([arch]) => arch === meta.basearch)?.[1];
      const providers = architecture === undefined ? [] : boxesAmong(images, folder, architecture);
      if (providers.length === 0) continue;
      catalogue = withBoxVersion(catalogue, { name, description: describe(place), buildId: meta.buildid, providers });
    }
    return catalogue;
  };
  return recordSigning(place, target, anew, task);
}
