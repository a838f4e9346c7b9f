import type { Fault, SourcePlace } from '../base/errors.ts';
import type { TreefileValues } from './treefile-keys.ts';

/** A treefile with all its includes flattened into one, for one base architecture. */
export interface Treefile {
  /** Absolute path of the top file. */
  readonly path: string;
  /**
   * The flattened values under their kebab-case names; arch-specific keys and variables are resolved, paths of files
   * on this host are absolute.
   */
  readonly values: TreefileValues;
  /**
   * Where each value came from: key (`packages`) or key and entry (`packages/kernel`, `postprocess/0`) to its place.
   * What no file says (`basearch`, variables of the caller) has none.
   */
  readonly origins: ReadonlyMap<string, SourcePlace>;
  /** Absolute paths of every file the result depends on: treefiles, passwd and group files, scripts, added files, .repo files. */
  readonly files: readonly string[];
  /** The `*.repo` files beside the top treefile, sorted by name: where the repositories of `repos` are described. */
  readonly repoFiles: readonly string[];
  /** Set for a copy of an earlier treefile: the one whose .repo files say how repositories are reached now, see readRepoFiles. */
  readonly reachedBy?: string | undefined;
  /** Absolute path of a file named in `values` to the path as the treefile writes it. */
  readonly written: ReadonlyMap<string, string>;
  /** The keys of every treefile that was read, as they are written: what a program that reads it itself must know. */
  readonly uses: readonly KeyUse[];
  /** What a person should know about the treefile although it can be used. */
  readonly notes: readonly Fault[];
  /**
   * SHA-256 over the flattened values and the contents of `files` other than the treefiles themselves, so that a
   * comment in a treefile is no change. Moving the folder elsewhere does not change it.
   */
  readonly digest: string;
}

/** A key in a treefile, as written there. */
export interface KeyUse {
  /** May be an older name, such as `boot_location`, or a key that is gone after reading, such as `include`. */
  readonly key: string;
  readonly place: SourcePlace;
  readonly kind: 'list' | 'map' | 'number' | 'other';
  /** Value as written, if it is text or a number. */
  readonly value?: string;
  readonly valuePlace: SourcePlace;
  /** Whether an entry of `conditional-include` has its treefile inline. */
  readonly inlined?: boolean;
}
