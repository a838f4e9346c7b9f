/** Decides whether a record that was read back from a target may decide anything. */
export interface RecordTrust {
  /**
   * Whether it may: it has a good signature by a key that is configured, or is byte for byte what this machine has itself.
   * @param path relative to the target's root
   * @param signature what lies beside it there, if anything
   */
  believes(path: string, content: Uint8Array, signature: Uint8Array | undefined): Promise<boolean>;
}

/** What is said of a record that is not believed. */
export const NOT_SIGNED = 'it has no good signature by a key of a stream that publishes there';
