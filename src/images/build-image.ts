import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, sha256File, syncFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { removeTree } from '../programs/rm.ts';
import { describeBootLoader } from './disk/bootloader.ts';
import { makeRawDisk, type RawDisk } from './disk/disk-image.ts';
import { formatOf } from './formats.ts';
import type { ImageFile, ImageRequest } from './image.ts';
import type { Base } from './image-base.ts';
import type { DiskFormat, PackRequest, Plain } from './image-format.ts';
import { buildHostMarks, scanDisk } from './scan/scan-image.ts';
import { sizeBytes } from './template/image-template.ts';

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
  await makeFolder(folder);
  await makeFolder(outputDir);
  const format = formatOf(template);
  const made: Made =
    format.kind === 'installer'
      ? await format.build({ ...request, scratchDir: folder }, aside, task)
      : await fromDisk(format, request, await base(), { folder, aside }, task);
  const target = join(outputDir, name);
  const file: ImageFile = {
    path: target,
    sha256: await sha256File(aside),
    size: (await stat(aside)).size,
    ...made,
    commit: request.commit,
    templateDigest: template.digest,
    values: request.values,
  };
  await makeDurable(aside);
  await rename(aside, target);
  await syncFolder(outputDir);
  await removeTree(folder, task);
  return file;
}

type Made = Plain & Pick<ImageFile, 'bootLoader'>;

/** Makes the disk, packs it, and looks through it meanwhile. */
async function fromDisk(
  { pack }: DiskFormat,
  request: ImageRequest,
  base: Base,
  { folder, aside }: { readonly folder: string; readonly aside: string },
  task: Task,
): Promise<Made> {
  const { template, timestamp } = request;
  const { machine } = template;
  const disk = await makeRawDisk(base, request, folder, task);
  const packed: PackRequest = {
    raw: disk.path,
    output: aside,
    scratchDir: folder,
    timestamp,
    seed: base.seed,
    name: request.osName,
    template,
    machine: { cpus: machine.cpus, memoryMib: sizeBytes(machine.memory) / 1024 ** 2 },
  };
  const [plain] = await Promise.all([pack(packed, task), scan(request, disk, task)]);
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

async function makeDurable(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
