import type { Task } from '../base/task.ts';

/** What is signed: bytes, or a file too large to be read as a whole, with its SHA-256 in lower-case hex. */
export type Signable = Uint8Array | SignableFile;

export interface SignableFile {
  readonly file: string;
  readonly sha256: string;
}

/** Who makes signatures. What is signed, and where a signature goes, is not its business. */
export interface Signer {
  /** How many signatures it may be asked for at the same time; 1 where nothing is said: somebody may have to touch a card. */
  readonly atATime?: number;
  /**
   * A binary detached OpenPGP signature: a signature packet for each key, one behind another (RFC 4880 section 11.4).
   * @throws NightlyError `signing`.
   */
  sign(what: Signable, task: Task): Promise<Uint8Array>;
  /** The public key, binary: a keyring for gpgv, and what clients are given. @throws NightlyError `signing`. */
  publicKey(task: Task): Promise<Uint8Array>;
  /**
   * The public key as clients have it that were given it before later parts were added (key-parts.ts): what counts as
   * signed is verified with this one. @throws NightlyError `signing`.
   */
  clientKey(task: Task): Promise<Uint8Array>;
  /**
   * Finds, before any work is done, what can be found without making a signature: a key that is not there, has expired or
   * cannot sign, a passphrase that is missing or wrong. @throws NightlyError `signing`.
   */
  check(task: Task): Promise<void>;
}
