import type { TargetSigning } from '../published/record-trust.ts';
import type { SentLog, Target } from '../targets/target.ts';
import type { Heads } from './heads.ts';
import type { LogGate } from './log/logged.ts';

/** Where a plan is carried out. */
export interface PublishPlaces {
  /** The local archive repository; its folder is named `repo`, as on every target. */
  readonly repo: string;
  readonly target: Target;
  /** Signs the summary. Without it, a target whose summary is signed is refused. */
  readonly signing?: TargetSigning | undefined;
  /** Asked before a ref is moved (I17). */
  readonly log: LogGate;
  /** What the target published when the plan was made: saves reading it again. */
  readonly heads?: Heads;
  /** What earlier attempts at the same plan sent. */
  readonly sent?: SentLog;
}
