/** The names of a build's files in its folder, in the work folder and on targets alike (docs/formats.md). */

/** The record of the build. */
export const RECORD_FILE = 'meta.json';

/** SHA-256 of every file of the build that never changes, as `sha256sum -c` reads it. */
export const SUMS = 'SHA256SUMS';
