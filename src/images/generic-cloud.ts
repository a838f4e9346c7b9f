import { mkdir, open, rename, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256File, syncFolder } from '../tools/files.ts';
import { makeExt4 } from '../tools/mke2fs.ts';
import { type FatInFile, makeFat } from '../tools/mtools.ts';
import { convertImage } from '../tools/qemu-img.ts';
import type { Task } from '../tools/task.ts';
import { chooseBootLoader, describeBootLoader } from './disk/bootloader.ts';
import { setExt4Times } from './disk/ext4-times.ts';
import { writeGpt } from './disk/gpt.ts';
import { type GrubInstall, installBiosGrub, installEfiGrub } from './disk/grub-install.ts';
import { derivedUuid, derivedVolumeId, type IdSeed } from './disk/ids.ts';
import { cloudDiskLayout, type DiskLayout, type Placed } from './disk/layout.ts';
import { makeSysroot } from './disk/sysroot.ts';
import type { ImageFile, ImageRequest, ImageType } from './image.ts';
import { buildHostMarks, scanImage } from './scan.ts';

export interface GenericCloudOptions {
  /** What the guest sees; a multiple of 1 MiB, at least 2 GiB. The file itself is as small as its content. */
  readonly diskBytes?: number;
  readonly kernelArguments?: readonly string[];
}

const DEFAULT_DISK_BYTES = 10 * 1024 ** 3;
/** The last console is the one init writes to: the serial line, which clouds record. */
const DEFAULT_KERNEL_ARGUMENTS = ['console=tty0', 'console=ttyS0,115200n8'];

/**
 * A qcow2 for OpenStack, libvirt and other clouds: boots from BIOS and UEFI, takes its name, keys and network from
 * cloud-init, grows to the disk it is given. Made from files alone, without mounts, loop devices or a virtual machine.
 * Needs root, because the tree's owners and attributes are kept.
 */
export function genericCloud(options: GenericCloudOptions = {}): ImageType {
  return { name: 'generic-cloud', build: (request, task) => build(request, options, task) };
}

async function build(request: ImageRequest, options: GenericCloudOptions, task: Task): Promise<ImageFile> {
  const scratch = join(request.scratchDir, 'generic-cloud');
  const aside = join(request.outputDir, `.${request.fileName}.part`);
  const target = join(request.outputDir, request.fileName);
  // What a killed try left behind.
  await rm(scratch, { recursive: true, force: true });
  await rm(aside, { force: true });
  await mkdir(scratch, { recursive: true });
  await mkdir(request.outputDir, { recursive: true });

  const raw = join(scratch, 'disk.raw');
  await makeRawDisk(request, options, scratch, raw, task);
  task.say('Compressing to qcow2');
  await convertImage({ source: raw, sourceFormat: 'raw', target: aside, targetFormat: 'qcow2' }, task);
  await rm(raw);
  task.say('Checking the finished image for traces of this machine');
  const forbidden = [...(await buildHostMarks()), request.scratchDir, request.repo];
  await scanImage({ image: aside, scratchDir: scratch, forbidden }, task);
  const file = { path: target, sha256: await sha256File(aside), size: (await stat(aside)).size };
  await makeDurable(aside);
  await rename(aside, target);
  await syncFolder(request.outputDir);
  await rm(scratch, { recursive: true });
  return file;
}

/** The whole disk as a sparse file: equal commits and time stamps give equal bytes. */
async function makeRawDisk(
  request: ImageRequest,
  options: GenericCloudOptions,
  scratch: string,
  raw: string,
  task: Task,
): Promise<void> {
  const seed: IdSeed = { commit: request.commit, timestamp: request.timestamp };
  const diskBytes = options.diskBytes ?? DEFAULT_DISK_BYTES;
  const layout = cloudDiskLayout(diskBytes, seed);
  const loader = await chooseBootLoader(request.repo, request.commit, task);
  task.say(`Boot loader: ${describeBootLoader(loader)}`);
  const bootUuid = derivedUuid(seed, 'file system boot');
  const rootUuid = derivedUuid(seed, 'file system root');
  task.say('Deploying the commit into a sysroot');
  const sysroot = join(scratch, 'sysroot');
  const kernelArguments = options.kernelArguments ?? DEFAULT_KERNEL_ARGUMENTS;
  const deployment = await makeSysroot({ sysroot, image: request, loader, bootUuid, rootUuid, kernelArguments }, task);

  task.say(`Writing the disk (${diskBytes / 1024 ** 2} MiB, sparse)`);
  const boot = join(scratch, 'boot');
  await rename(join(sysroot, 'boot'), boot);
  await mkdir(join(sysroot, 'boot'));
  await open(raw, 'w').then((file) => file.close());
  await truncate(raw, diskBytes);
  const ext4 = { file: raw, seed, timestamp: request.timestamp, task };
  await writeExt4({ ...ext4, at: layout.boot, label: 'boot', uuid: bootUuid, root: boot });
  await writeExt4({ ...ext4, at: layout.root, label: 'root', uuid: rootUuid, root: sysroot });
  const install = { loader, deployment, bootUuid, scratchDir: scratch, timestamp: request.timestamp };
  await writeBootLoader(install, seed, raw, layout, task);
  await rm(sysroot, { recursive: true });
  await rm(boot, { recursive: true });
}

async function writeExt4(request: {
  readonly file: string;
  readonly at: Placed;
  readonly label: string;
  readonly uuid: string;
  readonly root: string;
  readonly seed: IdSeed;
  readonly timestamp: number;
  readonly task: Task;
}): Promise<void> {
  const { file, at, label, uuid, root, timestamp, task } = request;
  const hashSeed = derivedUuid(request.seed, `hash seed ${label}`);
  const place = { offsetBytes: at.offsetBytes, sizeBytes: at.sizeBytes };
  await makeExt4({ file, ...place, label, uuid, hashSeed, root, timestamp }, task);
  await setExt4Times(file, at.offsetBytes, timestamp);
}

async function writeBootLoader(
  install: GrubInstall,
  seed: IdSeed,
  raw: string,
  layout: DiskLayout,
  task: Task,
): Promise<void> {
  const { offsetBytes, sizeBytes } = layout.efi;
  const fat: FatInFile = { file: raw, offsetBytes };
  const volumeId = derivedVolumeId(seed, 'file system efi');
  await makeFat({ ...fat, sizeBytes, label: 'EFI', volumeId }, task);
  await installEfiGrub(install, fat, task);
  const disk = await open(raw, 'r+');
  try {
    const bootCode = await installBiosGrub(install, disk, layout.biosBoot, task);
    const partitions = [layout.biosBoot, layout.efi, layout.boot, layout.root];
    await writeGpt(disk, layout.diskSectors, { diskGuid: derivedUuid(seed, 'disk'), partitions }, bootCode);
  } finally {
    await disk.close();
  }
}

async function makeDurable(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
