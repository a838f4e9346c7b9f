import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Whether the sources themselves run, as they do in tests. Built, modules are joined in dist/ (scripts/build.ts), and none can
 * tell from its own place where another file lies.
 */
const FROM_SOURCES = import.meta.url.endsWith('.ts');

/** Where the package is installed, with a slash at its end, as all folders here. Both src/base/ and dist/chunks/ are two below it. */
export const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

/** Returns the path of a file beside the code that uses it, whether built or not. @param path below src/ */
export const codeFile = (path: string): string => join(PROJECT, FROM_SOURCES ? 'src' : 'dist', path);

/**
 * How people run this program: from a clone by its path. Never by npx, which outside the clone asks npm's registry for a name
 * that anybody may register.
 */
export const OWN_COMMAND = existsSync(join(PROJECT, 'package-lock.json')) ? 'bin/atomic-nightly.js' : 'atomic-nightly';

const shipped = (name: string): string => join(PROJECT, name, '/');

/** Folders with templates, and with the script for users, that come with the program. */
export const SHIPPED = {
  images: shipped('image-templates'),
  notify: shipped('notify-templates'),
  pages: shipped('page-templates'),
  release: shipped('release-templates'),
  releasePackage: shipped('release-templates/package'),
  treefiles: shipped('treefiles'),
  verify: shipped('verify'),
};
