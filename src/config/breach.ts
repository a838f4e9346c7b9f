import type { KeyPath } from '../base/yaml/yaml-places.ts';

/** A broken rule and the value that breaks it. A rule is what depends on more than one value, or on the files named. */
export interface Breach {
  readonly path: KeyPath;
  readonly message: string;
}

/** What stands at a path of the file as it was written; undefined: nothing. */
export type WrittenAt = (...path: KeyPath) => unknown;
