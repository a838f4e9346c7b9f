import { fileURLToPath } from 'node:url';

const shipped = (name: string): string => fileURLToPath(new URL(`../../${name}/`, import.meta.url));

/** Where the package is installed, with a slash at its end, as all folders here. */
export const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

/** Folders with templates, and with the script for users, that come with the program. */
export const SHIPPED = {
  images: shipped('image-templates'),
  notify: shipped('notify-templates'),
  pages: shipped('page-templates'),
  release: shipped('release-templates'),
  releasePackage: shipped('release-templates/package'),
  verify: shipped('verify'),
};
