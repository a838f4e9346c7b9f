import type { BuildFailure } from '../build/build-record.ts';
import type { Stop } from '../build/stops.ts';

/** How a build with a commit ended; what stops it before anything is published is thrown instead. */
export interface Delivered {
  readonly state: 'complete' | 'incomplete' | 'gate-failed';
  readonly commit: string;
  /** What failed; with `complete` only what is no part of the build, which was complete before and stays so (`stay-complete.ts`). */
  readonly failures: readonly BuildFailure[];
}

/** A build that stopped successfully where it was asked to, before its end. */
export interface Stopped {
  readonly state: 'stopped';
  readonly after: Stop;
  /** Present once the tree is published. */
  readonly commit?: string;
  /** What is still to be done: steps, or image types of a published tree. */
  readonly left: readonly string[];
  /** What failed on other machines. */
  readonly failures: readonly BuildFailure[];
}
