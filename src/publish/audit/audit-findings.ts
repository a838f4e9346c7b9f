import { EXIT, type ExitName } from '../../build/outcomes.ts';

/** What an audit can find, and what the command exits with for it. */
const FINDINGS = {
  /** A file has other bytes than those that the log has of it. */
  changed: 'failed',
  /** What must be there is not. */
  missing: 'failed',
  /** Something is visible that the log does not have. */
  unlogged: 'failed',
  /** The log has fewer entries than it had. */
  'rolled-back': 'failed',
  /** The log has other entries than it had: there are two histories of it. */
  split: 'failed',
  /** There is no log, or it does not hold together. */
  'bad-log': 'failed',
  /** Too few witnesses of the policy have cosigned it. */
  unwitnessed: 'gateFailed',
  /** The newest cosignature is too old. */
  stale: 'gateFailed',
  /** What is visible is older than what was logged, for longer than a publish takes; or older than what was visible before. */
  behind: 'gateFailed',
} as const satisfies Readonly<Record<string, ExitName>>;

export type FindingKind = keyof typeof FINDINGS;

export interface Finding {
  readonly kind: FindingKind;
  /** A path, a ref, a build, or the log. */
  readonly what: string;
  /** The reason, as a part of a sentence. */
  readonly why: string;
}

/** All of them. */
export const FINDING_KINDS = Object.keys(FINDINGS) as FindingKind[];

/** Whether it says that what was published is not what is there: then nothing that was seen is remembered. */
export function isEvidence({ kind }: Finding): boolean {
  return FINDINGS[kind] === 'failed';
}

/** Returns the exit code for what was found: that of the worst. */
export function exitCodeFor(findings: readonly Finding[]): number {
  if (findings.some(isEvidence)) return EXIT.failed;
  return findings.length > 0 ? EXIT.gateFailed : EXIT.done;
}
