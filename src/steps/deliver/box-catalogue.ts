import { basename, relative } from 'node:path';
import type { Task } from '../../base/task.ts';
import type { TypedImage } from '../../images/image.ts';
import { updateRecord } from '../../publish/publish-files.ts';
import { BOX_CATALOGUE, type BoxProvider, boxesPath, withBoxVersion } from '../../published/vagrant-catalogue.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { Target } from '../../targets/target.ts';

const PROVIDERS = { 'vagrant-libvirt': 'libvirt', 'vagrant-virtualbox': 'virtualbox' } as const;

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
  const folder = relative(project.config.work, build.paths.dir);
  const providers = images.flatMap(({ template: { format }, image }): BoxProvider[] => {
    if (format !== 'vagrant-libvirt' && format !== 'vagrant-virtualbox') return [];
    return [
      {
        name: PROVIDERS[format],
        url: `${target.publicUrl}/${folder}/images/${basename(image.path)}`,
        checksum: image.sha256,
        checksum_type: 'sha256',
        architecture: ARCHITECTURES[arch],
      },
    ];
  });
  if (providers.length === 0) return;
  const path = boxesPath(name);
  const description = `${project.config.name}, ${project.stream.name}`;
  await updateRecord(
    { path, format: BOX_CATALOGUE },
    (old) => withBoxVersion(old, { name, description, buildId: build.id, providers }),
    target,
    task,
    project.signer,
  );
  task.say(`boxes of ${build.id} in ${target.publicUrl}/${path}`);
}
