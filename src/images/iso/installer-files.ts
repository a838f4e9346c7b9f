import { chmod, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { entryInRoot, followInRoot } from '../../base/paths-in-root.ts';
import { shellWord } from '../../base/quoting.ts';
import { copyInTree, folderInTree } from '../../base/tree-files.ts';
import { EXT4_FEATURES } from '../../programs/mke2fs.ts';
import { type BootLoader, refuseVariables } from '../disk/bootloader.ts';
import type { ImageSource } from '../image.ts';
import { renderTemplate, templatePath } from '../template/render-template.ts';

/** The installer's folder in the live root. */
export const INSTALLER_DIR = 'usr/lib/atomic-install';

export interface Installer {
  readonly image: ImageSource;
  readonly loader: BootLoader;
  /** What people read: `Lab Atomic Host 20260921_01`. */
  readonly title: string;
  /** Kernel arguments of the installed system, apart from `root=` and `rw`. */
  readonly kernelArguments: readonly string[];
  /** Stands in the configuration where the installed disk's boot file system is named. */
  readonly bootUuid: string;
  readonly smallestDiskBytes: number;
}

/** Seconds the installed host's boot menu waits, and the speed of its serial line, as on a cloud disk. */
const MENU = { timeoutSeconds: 1, serialSpeed: 115200 };

/** Puts the installer with its settings into the live root. @throws NightlyError `image`: a kernel argument that GRUB would change */
export async function writeInstaller(root: string, installer: Installer): Promise<void> {
  const folder = entryInRoot(root, INSTALLER_DIR);
  // All in it is ours: a link among what the tree has there would be written through.
  await rm(folder, { recursive: true, force: true });
  const { loader } = installer;
  refuseVariables(loader, installer.kernelArguments);
  await copyFolder(templatePath('iso/installer'), folder);
  await chmod(join(folder, 'atomic-install'), 0o755);
  await copyFolder(templatePath('iso/live'), followInRoot(root, '/usr/lib/systemd/system'));
  await writeFile(join(folder, 'settings'), settings(installer));
  const grub = await renderTemplate(loader.template, { bootUuid: installer.bootUuid, ...MENU });
  await writeFile(join(folder, 'grub.cfg'), grub);
  const { keys } = installer.image.remote;
  if (keys) await writeFile(join(folder, 'remote-keys.gpg'), keys);
  // Not by the tree's own name for it: ostree runs a program named …mkconfig in a chroot, where it finds nothing.
  const menuProgram = loader.deployEnv['OSTREE_GRUB2_EXEC'];
  if (menuProgram !== undefined) {
    await copyInTree(menuProgram, join(folder, 'boot-menu'));
    await chmod(join(folder, 'boot-menu'), 0o755);
  }
}

/** Returns a file the installer sources: shell variables, quoted. */
function settings(installer: Installer): string {
  const { image, loader } = installer;
  const values: Readonly<Record<string, string>> = {
    title: installer.title,
    os_name: image.osName,
    commit: image.commit,
    ref: image.ref,
    remote: image.remote.name,
    remote_url: image.remote.url,
    kernel_arguments: installer.kernelArguments.join(' '),
    boot_loader: loader.name,
    ostree_backend: loader.ostreeBackend ?? '',
    grub_dir: loader.configDir,
    boot_uuid_placeholder: installer.bootUuid,
    ext4_features: EXT4_FEATURES,
    smallest_disk_bytes: String(installer.smallestDiskBytes),
  };
  const lines = Object.entries(values).map(([name, value]) => `${name}=${shellWord(value)}\n`);
  return lines.join('');
}

async function copyFolder(from: string, to: string): Promise<void> {
  await folderInTree(to);
  for (const name of (await readdir(from)).sort()) {
    await copyInTree(join(from, name), join(to, name));
  }
}
