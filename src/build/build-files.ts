/** The names of a build's files in its folder, in the work folder and on targets alike (docs/formats.md). */

/** The record of the build. */
export const RECORD_FILE = 'meta.json';

/** What the command that made a tree reported of it (src/engines/folder/provenance-report.ts); only in the work folder. */
export const PROVENANCE_FILE = 'provenance-report.json';

/** SHA-256 of every file of the build that never changes, as `sha256sum -c` reads it. */
export const SUMS = 'SHA256SUMS';
