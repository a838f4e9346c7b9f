import { basename, dirname, join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { followInRoot } from '../../base/paths-in-root.ts';
import { bytesInTree, namesIn, readInTree } from '../../base/tree-files.ts';
import type { CpioEntry } from './cpio.ts';

/**
 * What reaches the installer's medium as a disc, a USB stick or a virtual disk, and what a live root is mounted with.
 * Names as in lsmod; a kernel may lack some, or have them built in.
 */
const WANTED = [
  ...['isofs', 'squashfs', 'overlay', 'loop', 'sr_mod', 'sd_mod', 'usb_storage', 'uas', 'mmc_block'],
  ...['xhci_pci', 'ehci_pci', 'ohci_pci', 'uhci_hcd', 'sdhci_pci', 'sdhci_acpi'],
  ...[
    'ahci',
    'ata_piix',
    'nvme',
    'virtio_blk',
    'virtio_scsi',
    'virtio_pci',
    'hv_storvsc',
    'xen_blkfront',
    'vmw_pvscsi',
  ],
];

/**
 * Those modules with everything they need, and the kernel's whole module index: with it udev in the initramfs finds
 * the driver of a device by itself. Folders come before what is in them.
 * @param root a tree on disk, and `modulesDir` its `usr/lib/modules/KVER`
 * @param target the same folder's path in the initramfs.
 */
export async function moduleEntries(root: string, modulesDir: string, target: string): Promise<CpioEntry[]> {
  // modules.dep is the tree's own text: what it names is looked for in the tree alone.
  const at = (path: string) => followInRoot(root, join('/', modulesDir, path));
  const index = (await namesIn(at(''))).filter((name) => /^modules\.[\w.]+$/.test(name));
  const dependencies = (await readInTree(at('modules.dep'))) ?? '';
  const modules = withDependencies(dependencies);
  const folders = [...new Set(modules.flatMap(parents))].sort();
  const files = [...index, ...modules];
  return [
    { path: target, mode: 0o755 },
    ...folders.map((folder) => ({ path: `${target}/${folder}`, mode: 0o755 })),
    ...(await Promise.all(
      files.map(async (path) => ({
        path: `${target}/${path}`,
        mode: 0o644,
        content: await contentOf(at(path), path),
      })),
    )),
  ];
}

async function contentOf(place: string, path: string): Promise<Buffer> {
  const content = await bytesInTree(place);
  if (content !== undefined) return content;
  throw new NightlyError('image', `The tree's modules.dep names ${path}, which is not there.`, {
    hint: 'Correct what removes the module without running depmod.',
  });
}

/** Paths of the wanted modules and of what they need, from depmod's `PATH: PATH…`, sorted. */
function withDependencies(modulesDep: string): string[] {
  const found = new Set<string>();
  for (const line of modulesDep.split('\n')) {
    const [path = '', needs = ''] = line.split(':');
    if (!WANTED.includes(moduleName(path))) continue;
    for (const each of [path, ...needs.split(' ')]) if (each !== '') found.add(each);
  }
  return [...found].sort();
}

/** `kernel/drivers/usb/storage/usb-storage.ko.xz` is `usb_storage`. */
function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\.\w+)?$/, '')
    .replaceAll('-', '_');
}

function parents(path: string): string[] {
  const parent = dirname(path);
  return parent === '.' ? [] : [...parents(parent), parent];
}
