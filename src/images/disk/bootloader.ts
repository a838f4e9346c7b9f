import { readdir } from 'node:fs/promises';
import { NightlyError } from '../../errors.ts';
import { treeHas } from '../../tools/ostree-admin.ts';
import type { Task } from '../../tools/task.ts';
import { templatePath } from '../template/render.ts';

/**
 * How a tree boots. It is the tree's property, not the build host's: hosts write the boot menu of their next
 * deployment with the programs in the tree.
 */
export interface BootLoader {
  /**
   * - `grub-menu`: GRUB without blscfg (Debian's). ostree's grub2 backend runs the tree's grub-mkconfig, which writes
   *   a menu from the boot loader entries.
   * - `grub-blscfg`: GRUB that reads the entries itself (Fedora's, CentOS's). ostree writes the entries and no more.
   */
  readonly name: 'grub-menu' | 'grub-blscfg';
  /** Folder below /boot with the static grub.cfg; its place is also how ostree on the host knows its backend. */
  readonly configDir: 'grub' | 'grub2';
  /** Template of the static grub.cfg. */
  readonly template: string;
  /** `sysroot.bootloader` in the repo's config; undefined leaves ostree to find out. */
  readonly ostreeBackend: string | undefined;
  readonly deployEnv: Readonly<Record<string, string>>;
  /** Modules to put into the core image beside the common ones. */
  readonly extraModules: readonly string[];
  /** Whether GRUB's own files come from the tree, by format; otherwise from the build host. */
  readonly inTree: Readonly<Record<GrubFormat, boolean>>;
  /** Folder in the tree with a ready (signed) EFI folder, where it has one. */
  readonly vendorEfi: string | undefined;
}

export type GrubFormat = 'i386-pc' | 'x86_64-efi';

const HOST_GRUB = '/usr/lib/grub';
const VENDOR_EFI = '/usr/lib/ostree-boot/efi/EFI';
const MKCONFIG = ['/usr/sbin/grub-mkconfig', '/usr/bin/grub-mkconfig'];

/**
 * Looks at the tree of a commit for how it boots.
 * @throws NightlyError `image` when hosts made from it could not write a boot menu for their next deployment, or when
 *   GRUB is neither in the tree nor on this machine.
 */
export async function chooseBootLoader(repo: string, commit: string, task: Task): Promise<BootLoader> {
  const has = (path: string) => treeHas(repo, commit, path, task);
  const inTree = {
    'i386-pc': await has(`${HOST_GRUB}/i386-pc/boot.img`),
    'x86_64-efi': await has(`${HOST_GRUB}/x86_64-efi/normal.mod`),
  };
  const vendorEfi = (await has(VENDOR_EFI)) ? VENDOR_EFI : undefined;
  await checkHostGrub(inTree, vendorEfi);
  if (await has(`${HOST_GRUB}/i386-pc/blscfg.mod`)) {
    return {
      name: 'grub-blscfg',
      configDir: 'grub2',
      template: 'grub/blscfg.cfg.hbs',
      ostreeBackend: 'none',
      deployEnv: {},
      extraModules: ['blscfg'],
      inTree,
      vendorEfi,
    };
  }
  if (!(await Promise.all(MKCONFIG.map(has))).includes(true)) {
    throw new NightlyError(
      'image',
      'The tree has neither GRUB with blscfg nor grub-mkconfig: a host could not write a boot menu for its next deployment.',
      { hint: 'Add GRUB (grub2-pc-modules, or the lab package that has grub-mkconfig) to the treefile\'s "packages".' },
    );
  }
  return {
    name: 'grub-menu',
    configDir: 'grub',
    template: 'grub/menu.cfg.hbs',
    ostreeBackend: undefined,
    deployEnv: { OSTREE_GRUB2_EXEC: templatePath('lab/ostree-grub-generator') },
    extraModules: [],
    inTree,
    vendorEfi,
  };
}

/** Folder of GRUB's modules for a format, given the deployment's root folder. */
export function grubModulesDir(loader: BootLoader, format: GrubFormat, deployment: string): string {
  return loader.inTree[format] ? `${deployment}${HOST_GRUB}/${format}` : `${HOST_GRUB}/${format}`;
}

/** For the log: `grub-menu (BIOS from the tree, UEFI from this host)`. */
export function describeBootLoader(loader: BootLoader): string {
  const from = (inTree: boolean) => (inTree ? 'from the tree' : 'from this host');
  const efi = loader.vendorEfi === undefined ? from(loader.inTree['x86_64-efi']) : "the tree's own EFI folder";
  return `${loader.name} (BIOS ${from(loader.inTree['i386-pc'])}, UEFI ${efi})`;
}

async function checkHostGrub(inTree: BootLoader['inTree'], vendorEfi: string | undefined): Promise<void> {
  const needed: GrubFormat[] = [];
  if (!inTree['i386-pc']) needed.push('i386-pc');
  if (!inTree['x86_64-efi'] && vendorEfi === undefined) needed.push('x86_64-efi');
  if (needed.length === 0) return;
  const present = await readdir(HOST_GRUB).catch(() => [] as string[]);
  const missing = needed.filter((format) => !present.includes(format));
  if (missing.length === 0) return;
  throw new NightlyError('image', `GRUB for ${missing.join(' and ')} is neither in the tree nor in ${HOST_GRUB}.`, {
    hint: 'Install it: apt-get install grub-pc-bin grub-efi-amd64-bin (Fedora: grub2-pc-modules grub2-efi-x64-modules).',
  });
}
