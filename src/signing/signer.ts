import type { SigningConfig } from '../config/config.ts';
import type { Task } from '../tools/task.ts';
import { gpgAgentSigner } from './gpg-agent.ts';

/** Who makes signatures. What is signed, and where a signature goes, is not its business. */
export interface Signer {
  /** A binary detached OpenPGP signature over the bytes. @throws NightlyError `signing`. */
  sign(bytes: Uint8Array, task: Task): Promise<Uint8Array>;
  /** The public key, binary: a keyring for gpgv, and what clients are given. @throws NightlyError `signing`. */
  publicKey(task: Task): Promise<Uint8Array>;
}

/** The signer a configuration describes. Nothing is contacted yet. */
export function openSigner(config: SigningConfig): Signer {
  return gpgAgentSigner(config);
}
