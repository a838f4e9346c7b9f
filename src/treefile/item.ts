import type { SourcePlace } from '../base/errors.ts';

/** One entry of a key: of a list or map, or the whole value of a plain key. */
export interface Item {
  /**
   * What tells entries of one key apart in `origins`: a package, a unit, a map key; empty for a plain key, and in lists
   * where the index does it.
   */
  readonly id: string;
  readonly value: unknown;
  readonly place: SourcePlace;
}
