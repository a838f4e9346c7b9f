import { redact } from './redact.ts';
import { startHintFor } from './served-here.ts';

/**
 * Every failure this program reports on purpose. The code is closed, so that the CLI can map it to an exit code
 * and scripts can tell failures apart; the message says what and why, the hint what to do next.
 */
export type ErrorCode =
  | 'usage'
  | 'config'
  | 'treefile'
  | 'locked'
  | 'clock'
  | 'gate-failed'
  | 'interrupted'
  | 'tool-missing'
  | 'tool-failed'
  | 'disk-full'
  | 'permission'
  | 'repo-unknown'
  | 'repo-unreachable'
  | 'repo-stale'
  | 'package-missing'
  | 'package-downgrade'
  | 'package-unsigned'
  | 'depsolve'
  | 'unsupported'
  | 'compose'
  | 'ostree'
  | 'seed'
  | 'target-unreachable'
  | 'target-permission'
  | 'target-host-key'
  | 'target-moved'
  | 'target-pruned'
  | 'target-older'
  | 'target-differs'
  | 'verify'
  | 'signing'
  | 'mail'
  | 'notify'
  | 'record'
  | 'koji'
  | 'koji-unreachable'
  | 'builder-unreachable'
  | 'builder-host-key'
  | 'log'
  | 'log-rolled-back'
  | 'log-split'
  | 'unwitnessed'
  | 'image'
  | 'not-found'
  | 'bug';

/** A place in a file a person can open: 1-based line and column. */
export interface SourcePlace {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

/** One of several things that are wrong in files. */
export interface Fault {
  readonly place: SourcePlace;
  readonly message: string;
}

export interface ErrorDetail {
  /** What to do next, as a full sentence or a command. */
  readonly hint?: string;
  readonly place?: SourcePlace | undefined;
  readonly cause?: unknown;
  /** File with the full output of what failed. */
  readonly log?: string | undefined;
  /** What the message lists, for programs. */
  readonly faults?: readonly Fault[];
}

/** The one error class of the program; anything else that is thrown is a bug in it. No message holds a secret. */
export class NightlyError extends Error {
  override readonly name = 'NightlyError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly place: SourcePlace | undefined;
  readonly log: string | undefined;
  /** Every fault that the message lists, sorted like there; empty where it lists none. */
  readonly faults: readonly Fault[];
  /** The step it happened in; set by the runner. */
  step: string | undefined;
  /** The build it happened to, and its stream; set by the attempt. */
  build: { readonly id: string; readonly stream: string } | undefined;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(redact(message), detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    // Of all that a failed connection may mean, this is what it does mean.
    const hint = startHintFor(message) ?? detail.hint;
    this.hint = hint === undefined ? undefined : redact(hint);
    this.place = detail.place;
    this.log = detail.log;
    this.faults = (detail.faults ?? []).map(({ place, message }) => ({ place, message: redact(message) }));
  }
}

/** `file:line:col`, leaving out what is not known. */
export function formatPlace(place: SourcePlace): string {
  return [place.file, place.line, place.column].filter((part) => part !== undefined).join(':');
}
