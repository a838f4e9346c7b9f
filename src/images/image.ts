import type { ImageTemplate } from './template/image-template.ts';
import type { TemplateValues } from './template/render-template.ts';

/** Where hosts get their updates from, unless the tree brings a remote of that name. */
export interface ImageRemote {
  readonly name: string;
  readonly url: string;
  /** Public keys, binary, of a stream that signs: hosts verify commits and the summary with them (I2). */
  readonly keys?: Uint8Array | undefined;
}

/** What is the same for all images of a build. */
export interface ImageSource {
  /** The archive repo that has the commit. */
  readonly repo: string;
  readonly commit: string;
  readonly ref: string;
  /** Build id: the commit's version. */
  readonly version: string;
  /** Name of the stateroot (`ostree admin os-init`), and of the remote hosts follow. */
  readonly osName: string;
  readonly remote: ImageRemote;
  /** Seconds since the epoch: every time stamp and generated UUID derives from it and the commit. */
  readonly timestamp: number;
  /** Folder for the sysroot that the disk images share and for their work files. The caller removes it afterwards. */
  readonly scratchDir: string;
}

/** One image of a commit. */
export interface ImageRequest extends ImageSource {
  readonly template: ImageTemplate;
  /** What the template was filled in with, for its further files. */
  readonly values: TemplateValues;
  /** Folder for the finished image; its name is the template's. */
  readonly outputDir: string;
}

/** Names as in coreos-assembler's meta.json `images.<type>`; sizes in bytes. */
export interface ImageFile {
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  /** Digest of the raw disk that a guest sees; for an ISO, of the file itself. */
  readonly uncompressedSha256: string;
  readonly uncompressedSize: number;
  readonly commit: string;
  /** Digest of the image type's folder. */
  readonly templateDigest: string;
  /** What its type was filled in with; not there in records of versions that did not keep it. */
  readonly values?: TemplateValues;
  /** Which boot loader, and where its files come from. */
  readonly bootLoader?: string;
  /** The signed statement of what it was made from, a file beside it. */
  readonly statement?: { readonly path: string; readonly sha256: string; readonly size: number };
}

/** Returns the files that come and go with an image: itself, and what is said of it. */
export function filesOfImage<File>(image: File & { readonly statement?: File }): readonly File[] {
  return image.statement === undefined ? [image] : [image, image.statement];
}

/** An image with the type that it was made from. */
export interface TypedImage {
  readonly template: ImageTemplate;
  readonly image: ImageFile;
}

/** Returns images of a record with their types, in the order of the types; one whose type is not there is left out. */
export function withTemplates(
  templates: readonly ImageTemplate[],
  images: Readonly<Record<string, ImageFile>> = {},
): TypedImage[] {
  return templates.flatMap((template) => {
    const image = images[template.name];
    return image === undefined ? [] : [{ template, image }];
  });
}
