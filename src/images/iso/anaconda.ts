import { readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { copyIntoFat, copyOutOfFat, listFat } from '../../programs/mtools.ts';
import {
  type AppendedPartition,
  appendedEfi,
  extractFromIso,
  filesOfIso,
  remasterIso,
} from '../../programs/xorriso.ts';
import type { ImageSource } from '../image.ts';
import { renderTemplate } from '../template/render-template.ts';
import { makeIsoRepo } from './iso-repo.ts';

export interface BootIsoRequest {
  readonly image: ImageSource;
  /** Kernel arguments of the installed system. */
  readonly kernelArguments: readonly string[];
  /** A boot.iso, or the folder lorax wrote. */
  readonly bootIso: string;
  readonly scratchDir: string;
  readonly outputFile: string;
}

/** Boot menus that lorax's templates write for BIOS and UEFI, and the EFI folder as a FAT image. */
const MENU = /^\/(isolinux\/(isolinux|grub)\.cfg|boot\/grub2?\/grub\.cfg|EFI\/BOOT\/(grub|BOOT)\.(cfg|conf))$/;
const EFI_IMAGE = '/images/efiboot.img';

/**
 * Makes an installer out of Anaconda's boot.iso: adds the repo and a kickstart that deploys from it, and has the boot
 * menus name that. Boot loaders, images and volume id stay as they are, for the menus find the medium by it.
 * @throws NightlyError `image` when there is no boot.iso, or none of its menus starts Anaconda.
 */
export async function buildFromBootIso(request: BootIsoRequest, task: Task): Promise<void> {
  const { image, scratchDir, kernelArguments } = request;
  const source = await findBootIso(request.bootIso);
  const contents = join(scratchDir, 'contents');
  task.say(`Copying the commit and a kickstart for ${source}`);
  await makeFolder(join(contents, 'ostree'));
  await makeIsoRepo(image, join(contents, 'ostree/repo'), task);
  const { name: remote, url, keys } = image.remote;
  const values = { osName: image.osName, remote, url, ref: image.ref };
  const base64 = keys
    ? (
        Buffer.from(keys)
          .toString('base64')
          .match(/.{1,76}/g) ?? []
      ).join('\n')
    : '';
  const kickstart = { ...values, keys: base64, kernelArguments: kernelArguments.join(' ') };
  await writeFile(join(contents, 'ks.cfg'), await renderTemplate('iso/anaconda-ks.cfg.hbs', kickstart));

  const files = await filesOfIso(source, task);
  let edited = 0;
  for (const path of files.filter((name) => MENU.test(name))) {
    const target = join(contents, path);
    await makeFolder(dirname(target));
    await extractFromIso(source, path, target, task);
    if (await nameKickstart(target)) edited += 1;
  }
  if (edited === 0) {
    throw new NightlyError(
      'image',
      `No boot menu of ${source} has inst.stage2=hd:LABEL=…: it does not start Anaconda.`,
      {
        hint: 'Give "boot-iso" the boot.iso of a release, or what lorax made.',
      },
    );
  }
  const efi = await editEfi(request, source, files, task);
  task.say('Writing the ISO');
  const remaster = { source, folder: contents, iso: request.outputFile, timestamp: image.timestamp };
  await remasterIso(efi === undefined ? remaster : { ...remaster, efi }, task);
}

/** What UEFI boots is a file of the ISO, or a partition behind it (Fedora 37, CentOS Stream 10). */
async function editEfi(
  request: BootIsoRequest,
  source: string,
  files: readonly string[],
  task: Task,
): Promise<AppendedPartition | undefined> {
  const appended = await appendedEfi(source, join(request.scratchDir, 'efi.img'), task);
  if (appended !== undefined) {
    await editFat(appended.file, request, task);
    return appended;
  }
  if (files.includes(EFI_IMAGE)) {
    const target = join(request.scratchDir, 'contents', EFI_IMAGE);
    await makeFolder(dirname(target));
    await extractFromIso(source, EFI_IMAGE, target, task);
    await editFat(target, request, task);
  }
  return undefined;
}

async function editFat(file: string, request: BootIsoRequest, task: Task): Promise<void> {
  const fat = { file, offsetBytes: 0 };
  const config = join(request.scratchDir, 'efi-grub.cfg');
  for (const path of (await listFat(fat, task)).filter((name) => /\/grub\.cfg$/i.test(name))) {
    await copyOutOfFat(fat, path, config, task);
    if (await nameKickstart(config)) await copyIntoFat(fat, config, path, request.image.timestamp, task);
  }
}

/** Adds inst.ks to each command line that starts Anaconda from the medium. @returns whether there was one. */
async function nameKickstart(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8');
  const named = text.replaceAll(/^.*\binst\.stage2=(hd:LABEL=[^\s:]+).*$/gm, (line, medium: string) =>
    line.includes('inst.ks=') ? line : `${line} inst.ks=${medium}:/ks.cfg`,
  );
  await writeFile(path, named);
  return named !== text;
}

/** lorax leaves boot.iso in `images/` of its output folder. */
async function findBootIso(path: string): Promise<string> {
  for (const candidate of [path, join(path, 'images/boot.iso'), join(path, 'boot.iso')]) {
    const found = await stat(candidate).catch(() => undefined);
    if (found?.isFile()) return candidate;
  }
  throw new NightlyError('not-found', `There is no boot.iso at ${path}.`, {
    hint: 'Give "boot-iso" a boot.iso, or the folder that lorax wrote.',
  });
}
