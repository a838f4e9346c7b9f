import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SHIPPED } from '../base/shipped.ts';

/** What makes a folder an image type: docs/images.md. */
export const IMAGE_TYPE_FILE = 'image.yaml';

/** Folders with image types, first found first: a project's own, then those that come with the program. */
export function imageTypeFolders(ownFolder: string | undefined): string[] {
  return ownFolder === undefined ? [SHIPPED.images] : [ownFolder, SHIPPED.images];
}

/** Returns the names of the image types there are, sorted. */
export function imageTypes(ownFolder: string | undefined): string[] {
  const names = imageTypeFolders(ownFolder).flatMap((parent) => {
    const folders = existsSync(parent) ? readdirSync(parent) : [];
    return folders.filter((name) => existsSync(join(parent, name, IMAGE_TYPE_FILE)));
  });
  return [...new Set(names)].toSorted();
}

export const imageTypesTemplate = `
# Image types of your own, a folder each, with an image.yaml: docs/images.md.
# image-templates: ./image-types
`;
