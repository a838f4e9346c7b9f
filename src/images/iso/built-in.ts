import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { followInRoot } from '../../base/paths-in-root.ts';
import type { Task } from '../../base/task.ts';
import { catFile } from '../../programs/ostree.ts';
import { makeSquashfs } from '../../programs/squashfs.ts';
import { makeBootableIso } from '../../programs/xorriso.ts';
import { chooseBootLoader, describeBootLoader } from '../disk/bootloader.ts';
import { derivedUuid, derivedVolumeId } from '../disk/disk-ids.ts';
import type { DiskSizes } from '../disk/disk-layout.ts';
import type { ImageSource } from '../image.ts';
import { buildHostMarks } from '../scan/scan-image.ts';
import { writeDiskHead } from './disk-head.ts';
import { INSTALLER_DIR, writeInstaller } from './installer-files.ts';
import { writeLiveInitramfs } from './installer-initramfs.ts';
import { makeIsoRepo } from './iso-repo.ts';
import { checkOutLiveRoot, takeKernel } from './live-root.ts';
import { BIOS_IMAGE, EFI_IMAGE, writeMediumBoot } from './medium-boot.ts';
import { mediumMenu } from './menu.ts';
import { refuseTraces } from './traces.ts';
import { volumeId as nameVolume } from './volume-id.ts';

export interface BuiltInRequest {
  readonly image: ImageSource;
  /** Kernel arguments of the installed system. */
  readonly kernelArguments: readonly string[];
  readonly menuSeconds: number;
  /** Sizes on the installed disk; `disk` is the smallest disk that is accepted. */
  readonly sizes: DiskSizes;
  readonly scratchDir: string;
  readonly outputFile: string;
}

/**
 * Makes an installer out of the commit alone: its kernel and initramfs boot its tree as a live system, in which our
 * installer deploys it from the repo on the medium. Needs root, because the tree's owners and attributes are kept.
 */
export async function buildFromCommit(request: BuiltInRequest, task: Task): Promise<void> {
  const { image, scratchDir, kernelArguments } = request;
  const seed = { commit: image.commit, timestamp: image.timestamp };
  const volumeId = nameVolume(image.osName, image.version);
  const title = `${await productName(image, task)} ${image.version}`;
  const loader = await chooseBootLoader(image.repo, image.commit, task);
  task.say(`Boot loader: ${describeBootLoader(loader)}`);

  task.say('Making a live system from the commit');
  const root = join(scratchDir, 'root');
  const contents = join(scratchDir, 'contents');
  const kernel = await checkOutLiveRoot(image, root, task);
  const bootUuid = derivedUuid(seed, 'place of the boot file system');
  await writeInstaller(root, {
    image,
    loader,
    title,
    kernelArguments,
    bootUuid,
    smallestDiskBytes: request.sizes.disk,
  });
  const install = { loader, deployment: root, bootUuid, prefix: `(,gpt3)/${loader.configDir}` };
  const files = { scratchDir, timestamp: image.timestamp };
  await writeDiskHead(
    { ...install, ...files },
    { seed, sizes: request.sizes },
    followInRoot(root, INSTALLER_DIR),
    task,
  );
  await takeKernel(root, kernel, join(contents, 'boot'));
  await writeLiveInitramfs({ root, kernel, timestamp: image.timestamp }, join(contents, 'boot/live.img'));
  const fatId = derivedVolumeId(seed, 'file system of the medium');
  const { hybridMbr } = await writeMediumBoot({ loader, root, contents, volumeId, fatId, ...files }, task);
  const menu = await mediumMenu({ title, volumeId, kernelArguments, menuSeconds: request.menuSeconds });
  await writeFile(join(contents, 'boot/grub/grub.cfg'), menu);

  task.say('Scanning for traces of this machine, and packing the live system');
  await refuseTraces(root, [...(await buildHostMarks()), scratchDir, image.repo], task);
  await mkdir(join(contents, 'live'));
  await makeSquashfs(root, join(contents, 'live/root.squashfs'), image.timestamp, task);
  task.say('Copying the commit');
  await mkdir(join(contents, 'ostree'));
  await makeIsoRepo(image, join(contents, 'ostree/repo'), task);
  task.say(`Writing the ISO ${volumeId}`);
  const boot = { biosImage: BIOS_IMAGE, efiImage: EFI_IMAGE, hybridMbr };
  const diskGuid = derivedUuid(seed, 'disk of the medium');
  const { timestamp } = image;
  await makeBootableIso({ folder: contents, iso: request.outputFile, volumeId, timestamp, diskGuid, ...boot }, task);
  await rm(root, { recursive: true });
}

/** Returns what os-release calls it, without a version of its own. */
async function productName(image: ImageSource, task: Task): Promise<string> {
  const release = (await catFile(image.repo, image.commit, '/usr/lib/os-release', task)) ?? '';
  return /^NAME="?([^"\n]*)"?$/m.exec(release)?.[1] ?? image.osName;
}
