import { readdir } from 'node:fs/promises';
import { NightlyError } from '../../base/errors.ts';
import { followInRoot } from '../../base/paths-in-root.ts';
import type { Task } from '../../base/task.ts';
import { requirePlainFiles } from '../../base/tree-files.ts';
import { treeHas } from '../../programs/ostree-admin.ts';
import { templatePath } from '../template/render-template.ts';

/**
 * How a tree boots. It is the tree's property, not the build host's: hosts write the boot menu of their next
 * deployment with the programs in the tree.
 */
export interface BootLoader {
  /**
   * - `grub-menu`: GRUB without blscfg (Debian's, CentOS 7's). ostree's grub2 backend runs the tree's grub-mkconfig
   *   or grub2-mkconfig, which writes a menu from the boot loader entries.
   * - `grub-blscfg`: GRUB that reads the entries itself (Fedora's, CentOS's). ostree writes the entries and no more.
   */
  readonly name: 'grub-menu' | 'grub-blscfg';
  /**
   * Folder below /boot with the static grub.cfg, whose place is also how ostree on the host knows its backend
   * (ostree-bootloader-grub2.c, _ostree_bootloader_grub2_query); older ones look in `grub2` alone.
   */
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
/** Two names of one program, which ostree is compiled with: Debian's, and Fedora's and CentOS's. */
const MKCONFIG = {
  grub: ['/usr/sbin/grub-mkconfig', '/usr/bin/grub-mkconfig'],
  grub2: ['/usr/sbin/grub2-mkconfig', '/usr/bin/grub2-mkconfig'],
};
/** What makes grub2-mkconfig read boot loader entries; without it the menu of the next deployment would be empty. */
const MKCONFIG_HOOK = '/usr/etc/grub.d/15_ostree';
/** What the menus load that grub2-mkconfig writes. GRUB finds no modules on the disk, only those in its core image. */
const MKCONFIG_MODULES = ['all_video', 'gzio', 'loadenv'];

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
  const configDir = await mkconfigDir(has);
  return {
    name: 'grub-menu',
    configDir,
    template: 'grub/menu.cfg.hbs',
    ostreeBackend: undefined,
    deployEnv: { OSTREE_GRUB2_EXEC: templatePath('lab/ostree-grub-generator') },
    extraModules: configDir === 'grub2' ? MKCONFIG_MODULES : [],
    inTree,
    vendorEfi,
  };
}

/**
 * Returns the folder that goes with the tree's grub-mkconfig. @throws NightlyError `image` when it could not write a
 * menu.
 */
async function mkconfigDir(has: (path: string) => Promise<boolean>): Promise<BootLoader['configDir']> {
  const hasOneOf = async (paths: readonly string[]) => (await Promise.all(paths.map(has))).includes(true);
  if (await hasOneOf(MKCONFIG.grub2)) {
    if (await has(MKCONFIG_HOOK)) return 'grub2';
    throw new NightlyError(
      'image',
      `The tree has grub2-mkconfig without ${MKCONFIG_HOOK}: a host's next boot menu would have no entries.`,
      { hint: 'Add the package ostree-grub2 to the treefile\'s "packages".' },
    );
  }
  if (await hasOneOf(MKCONFIG.grub)) return 'grub';
  throw new NightlyError(
    'image',
    'The tree has neither GRUB with blscfg nor grub-mkconfig: a host could not write a boot menu for its next deployment.',
    { hint: 'Add GRUB (grub2-pc-modules, or the lab package that has grub-mkconfig) to the treefile\'s "packages".' },
  );
}

/**
 * Folder of GRUB's modules for a format, given the deployment's root folder. GRUB's programs open what is in it.
 * @throws NightlyError `compose` when the tree has links there.
 */
export async function grubModulesDir(loader: BootLoader, format: GrubFormat, deployment: string): Promise<string> {
  if (!loader.inTree[format]) return `${HOST_GRUB}/${format}`;
  const folder = followInRoot(deployment, `${HOST_GRUB}/${format}`);
  await requirePlainFiles(folder);
  return folder;
}

/** Describes a boot loader for the log, as in `grub-menu (BIOS from the tree, UEFI from this host)`. */
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

/**
 * GRUB puts the value of a variable in place of `$name` in a boot loader entry, and drops any other dollar sign (expand_val in
 * blscfg.c of Fedora's GRUB); there is no way to write one.
 * @throws NightlyError `image` naming the arguments that have one, where GRUB reads the entries itself
 */
export function refuseVariables({ name }: Pick<BootLoader, 'name'>, kernelArguments: readonly string[]): void {
  const lost = kernelArguments.filter((argument) => argument.includes('$'));
  if (lost.length === 0 || name !== 'grub-blscfg') return;
  throw new NightlyError('image', `GRUB drops "$" from kernel arguments in boot loader entries: ${lost.join(' ')}`, {
    hint: "Leave it out of kernel-arguments of the image type: this tree's GRUB reads the entries itself (blscfg).",
  });
}
