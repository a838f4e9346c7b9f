import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { sha256File, syncFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { convertImage } from '../programs/qemu-img.ts';
import { removeTree } from '../programs/rm.ts';
import { describeBootLoader } from './disk/bootloader.ts';
import { makeRawDisk, type RawDisk } from './disk/disk-image.ts';
import type { ImageFile, ImageRequest } from './image.ts';
import type { Base } from './image-base.ts';
import { buildIso } from './iso/iso.ts';
import { type Plain, plainDigest, sparseDigest } from './plain-digest.ts';
import { buildHostMarks, scanDisk } from './scan/scan-image.ts';
import { sizeBytes } from './template/load-template.ts';
import { packLibvirtBox } from './vagrant/libvirt.ts';
import { packVirtualBoxBox } from './vagrant/virtualbox.ts';

/**
 * Makes an image: aside, and renamed when it is whole.
 * @param base gives the shared sysroot; asked only by types that need one
 * @throws NightlyError `image`, `tool-missing`, `tool-failed`, `disk-full`.
 */
export async function buildImage(request: ImageRequest, base: () => Promise<Base>, task: Task): Promise<ImageFile> {
  const { outputDir, template } = request;
  const name = template['file-name'];
  const folder = join(request.scratchDir, template.name);
  const aside = join(outputDir, `.${name}.part`);
  // What a killed try left behind.
  await removeTree(folder, task);
  await rm(aside, { force: true });
  await mkdir(folder, { recursive: true });
  await mkdir(outputDir, { recursive: true });
  const made =
    template.format === 'iso'
      ? await installer(request, folder, aside, task)
      : await fromDisk(request, await base(), { folder, aside }, task);
  const target = join(outputDir, name);
  const file: ImageFile = {
    path: target,
    sha256: await sha256File(aside),
    size: (await stat(aside)).size,
    ...made,
    commit: request.commit,
    templateDigest: template.digest,
  };
  await makeDurable(aside);
  await rename(aside, target);
  await syncFolder(outputDir);
  await removeTree(folder, task);
  return file;
}

type Made = Plain & Pick<ImageFile, 'bootLoader'>;

async function installer(request: ImageRequest, folder: string, aside: string, task: Task): Promise<Made> {
  const { template } = request;
  const { disk } = template;
  const bootIso = template['boot-iso'];
  const options = {
    kernelArguments: template['kernel-arguments'],
    menuSeconds: template['boot-menu'].timeout,
    sizes: { efi: sizeBytes(disk.efi), boot: sizeBytes(disk.boot) },
    bootIso,
  };
  await buildIso({ ...request, scratchDir: folder }, options, aside, task);
  return plainDigest(aside);
}

/** Packs the disk, and looks through it meanwhile. */
async function fromDisk(
  request: ImageRequest,
  base: Base,
  { folder, aside }: { readonly folder: string; readonly aside: string },
  task: Task,
): Promise<Made> {
  const disk = await makeRawDisk(base, request, folder, task);
  const [plain] = await Promise.all([
    pack(request, disk.path, { folder, aside }, base, task),
    scan(request, disk, task),
  ]);
  return { ...plain, bootLoader: describeBootLoader(base.loader) };
}

async function scan(request: ImageRequest, { path, rootTree }: RawDisk, task: Task): Promise<void> {
  const { users } = request.template;
  await scanDisk(
    {
      raw: path,
      rootTree,
      forbidden: [...(await buildHostMarks()), request.scratchDir, request.repo],
      keys: users.flatMap((user) => user['ssh-authorized-keys']),
    },
    task,
  );
}

async function pack(
  request: ImageRequest,
  raw: string,
  { folder, aside }: { readonly folder: string; readonly aside: string },
  { seed }: Base,
  task: Task,
): Promise<Plain> {
  const { template, timestamp } = request;
  const { machine } = template;
  const box = {
    raw,
    output: aside,
    scratchDir: folder,
    timestamp,
    seed,
    name: request.osName,
    template,
    machine: { cpus: machine.cpus, memoryMib: sizeBytes(machine.memory) / 1024 ** 2 },
  };
  switch (template.format) {
    case 'iso':
      throw new NightlyError('bug', 'An ISO is not made from a disk.');
    case 'qcow2': {
      task.say('Compressing to qcow2');
      const virtualSize = sizeBytes(template.disk.size);
      const formats = { source: raw, sourceFormat: 'raw', target: aside, targetFormat: 'qcow2', virtualSize } as const;
      const convert = convertImage(formats, task);
      const [plain] = await Promise.all([sparseDigest(raw, task), convert]);
      return plain;
    }
    case 'vagrant-libvirt':
      await packLibvirtBox(box, task);
      return plainDigest(aside, true);
    case 'vagrant-virtualbox':
      await packVirtualBoxBox(box, task);
      return plainDigest(aside);
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
