import type { Task } from '../base/task.ts';
import type { Signer } from '../signing/signer.ts';

/** Decides whether a record that was read back from a target may decide anything. */
export interface RecordTrust {
  /**
   * Whether it may: it has a good signature by a key that is configured, or is byte for byte what this machine has itself.
   * @param path relative to the target's root
   * @param signature what lies beside it there, if anything
   */
  believes(path: string, content: Uint8Array, signature: Uint8Array | undefined): Promise<boolean>;
  /**
   * Whether what is signed next may be made from it: as `believes`, but the signature is kept from then on.
   * That may be one that was good before: after a kill between a signature and its file, the one beside the old file is over
   * the new.
   * @param signatures packets, binary
   */
  vouches(path: string, content: Uint8Array, signatures: readonly Uint8Array[]): Promise<boolean>;
}

/** Who signs what changes on a target, and who judges what was there before: what is signed never comes from elsewhere (I12). */
export interface TargetSigning {
  readonly signer: Signer;
  readonly trust: Pick<RecordTrust, 'vouches'>;
}

/** The signing of a record, with what it is made from where nobody vouches for what is there. */
export interface RecordSigning<Value> extends TargetSigning {
  /** Makes it anew from signed records or our own; undefined where they have nothing for it. Never from what is there. */
  anew(task: Task): Promise<Value | undefined>;
}

/** Who signs what loses something, and who judges it before. */
export interface PruneSigning {
  readonly signer?: Signer | undefined;
  readonly trust?: RecordTrust | undefined;
}

/** What is said of a record that is not believed. */
export const NOT_SIGNED = 'it has no good signature by a key of a stream that publishes there';
