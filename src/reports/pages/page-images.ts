import { basename, extname } from 'node:path';
import { formatBytes } from '../../base/format.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { signatureName } from '../../published/paths.ts';

/** An image as pages offer it. */
export interface ImageView {
  readonly type: string;
  /** What it is for; empty where nobody knows. */
  readonly platform: string;
  readonly file: string;
  /** Empty where it is not published. */
  readonly href: string;
  /** Link to the detached signature; empty without one. */
  readonly signature: string;
  readonly size: string;
  readonly sha256: string;
  /** How it came up; empty where it was not booted. */
  readonly test: string;
}

/**
 * Returns the images of a build as pages offer them.
 * @param hrefOf where a file of the build is, by its path in the build's folder; undefined where nothing is published
 */
export function imageViews(meta: BuildMeta, hrefOf: ((path: string) => string) | undefined): ImageView[] {
  const signed = meta.signedBy !== undefined;
  const tests = meta.smokeTests ?? {};
  return Object.entries(meta.images ?? {}).map(([type, { path, size, sha256 }]) => {
    const test = tests[type];
    const degraded = test?.state === 'degraded' ? ', degraded' : '';
    return {
      type,
      platform: platformOf(type, path),
      file: basename(path),
      sha256,
      size: formatBytes(size),
      href: hrefOf?.(path) ?? '',
      signature: signed && hrefOf ? hrefOf(signatureName(path)) : '',
      test: test ? `booted in ${Math.round(test.bootSeconds)} s${degraded}` : '',
    };
  });
}

/** Where an image runs, told by its type, else by what its file is. */
function platformOf(type: string, path: string): string {
  const name = Object.keys(PLATFORMS).find((one) => one === type) ?? extname(path);
  return PLATFORMS[name] ?? '';
}

const PLATFORMS: Readonly<Record<string, string>> = {
  'generic-cloud': 'OpenStack, libvirt, QEMU and other clouds with cloud-init',
  'vagrant-libvirt': 'Vagrant with libvirt (KVM)',
  'vagrant-virtualbox': 'Vagrant with VirtualBox',
  iso: 'installs from a USB stick or a CD, on machines and virtual machines',
  '.iso': 'installs from a USB stick or a CD, on machines and virtual machines',
  '.qcow2': 'QEMU and libvirt',
  '.box': 'Vagrant',
};
