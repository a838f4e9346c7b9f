import type { Task } from '../tools/task.ts';

/** An image type: turns a commit into a file people boot. One file a type in this folder. */
export interface ImageType {
  readonly name: 'generic-cloud';
  /** Makes the image aside and renames it when it is whole. */
  build(request: ImageRequest, task: Task): Promise<ImageFile>;
}

export interface ImageRequest {
  /** The archive repo that has the commit. */
  readonly repo: string;
  readonly commit: string;
  readonly ref: string;
  /** Build id: the commit's version. */
  readonly version: string;
  /** Name of the stateroot (`ostree admin os-init`), and of the remote hosts follow. */
  readonly osName: string;
  readonly remote: { readonly name: string; readonly url: string };
  /** Folder for the finished image, and its file name. */
  readonly outputDir: string;
  readonly fileName: string;
  /** Removed by the caller afterwards. */
  readonly scratchDir: string;
  /** Seconds since the epoch: every time stamp and generated UUID derives from it and the commit. */
  readonly timestamp: number;
}

/** Names as in coreos-assembler's meta.json `images.<type>`; sizes in bytes. */
export interface ImageFile {
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  readonly 'uncompressed-sha256'?: string;
  readonly 'uncompressed-size'?: number;
}
