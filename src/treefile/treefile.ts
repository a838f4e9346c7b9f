import type { SourcePlace } from '../errors.ts';
import type { TreefileValues } from './keys.ts';

/** A treefile with all its includes flattened into one, for one base architecture. */
export interface Treefile {
  /** Absolute path of the top file. */
  readonly path: string;
  /** The flattened values under their kebab-case names; arch-specific keys and variables are resolved. */
  readonly values: TreefileValues;
  /** Where each value came from: key (`packages`) or key and entry (`packages/kernel`) to its place. */
  readonly origins: ReadonlyMap<string, SourcePlace>;
  /** Absolute paths of every file the result depends on: treefiles, passwd and group files, scripts, added files, .repo files. */
  readonly files: readonly string[];
  /** SHA-256 over the flattened values and the contents of `files`; moving the folder elsewhere does not change it. */
  readonly digest: string;
}
