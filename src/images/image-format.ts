import type { Task } from '../base/task.ts';
import type { IdSeed } from './disk/disk-ids.ts';
import type { ImageFile, ImageRequest } from './image.ts';
import type { ImageTemplate } from './template/image-template.ts';

/** What Vagrant calls what runs its machines: a catalogue names each box with one. */
export const VAGRANT_PROVIDERS = ['libvirt', 'virtualbox'] as const;

/** Size and digest of the raw disk that a guest sees; of an installer, of the file itself. */
export type Plain = Pick<ImageFile, 'uncompressedSha256' | 'uncompressedSize'>;

/**
 * What the files of an image type are: the value of `format` in image.yaml. Each is a file, and a line in formats.ts. Equal
 * requests give equal bytes (I10).
 */
export type ImageFormat = DiskFormat | InstallerFormat;

/** A disk that boots, packed. Making and scanning the raw disk is the same for all of them: build-image.ts. */
export interface DiskFormat {
  readonly kind: 'disk';
  /** The provider of a Vagrant box, under which the stream's catalogue lists it. */
  readonly vagrantProvider?: (typeof VAGRANT_PROVIDERS)[number];
  /**
   * Writes `request.output` out of the raw disk, which others read meanwhile.
   * @throws NightlyError `image`, `tool-missing`, `tool-failed`, `disk-full`.
   */
  pack(request: PackRequest, task: Task): Promise<Plain>;
  /**
   * Returns the disk in a finished image, as QEMU can boot it; `scratchDir` may take what is unpacked.
   * @throws NightlyError `image` when there is none.
   */
  bootDisk(image: string, scratchDir: string, task: Task): Promise<string>;
}

/** A medium that installs the commit to a disk; a smoke test installs it first. */
export interface InstallerFormat {
  readonly kind: 'installer';
  /**
   * Writes `output`; `request.scratchDir` is its own.
   * @throws NightlyError `image`, `tool-missing`, `tool-failed`, `disk-full`.
   */
  build(request: ImageRequest, output: string, task: Task): Promise<Plain>;
}

/** A disk to be packed. */
export interface PackRequest {
  /** Sparse raw disk; not to be changed. */
  readonly raw: string;
  /** The file to write; the caller renames it into place. */
  readonly output: string;
  readonly scratchDir: string;
  /** Seconds since the epoch, for every file in it. */
  readonly timestamp: number;
  /** Hardware addresses and every UUID derive from it. */
  readonly seed: IdSeed;
  /** What a virtual machine made from it has, unless its owner says otherwise. */
  readonly machine: { readonly cpus: number; readonly memoryMib: number };
  /** Name of the machine, such as lab-atomic-host. */
  readonly name: string;
  /** Brings the templates of further files. */
  readonly template: Pick<ImageTemplate, 'name' | 'folders'>;
}
