import type { Task } from '../base/task.ts';
import type { SigningConfig } from '../config/config.ts';
import { commandSigner } from './command.ts';
import { gpgAgentSigner } from './gpg-agent.ts';
import { openpgpSigner } from './openpgp.ts';

/** What is signed: bytes, or a file too large to be read as a whole, with its SHA-256 in lower-case hex. */
export type Signable = Uint8Array | SignableFile;

export interface SignableFile {
  readonly file: string;
  readonly sha256: string;
}

/** Who makes signatures. What is signed, and where a signature goes, is not its business. */
export interface Signer {
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

/** The signer that a configuration describes. Nothing is contacted yet. */
export function openSigner(config: SigningConfig): Signer {
  switch (config.type) {
    case 'gpg-agent':
      return gpgAgentSigner(config);
    case 'openpgp':
      return openpgpSigner(config);
    case 'command':
      return commandSigner(config);
  }
}

/** Several signers as one: everything carries a signature of each, as while one key takes over from another. */
export function jointSigner(signers: readonly Signer[]): Signer {
  const one = async (ask: (signer: Signer) => Promise<Uint8Array>): Promise<Uint8Array> => {
    const parts: Uint8Array[] = [];
    // One after the other: each may ask a person for a card.
    for (const signer of signers) parts.push(await ask(signer));
    return new Uint8Array(Buffer.concat(parts));
  };
  return {
    sign: (what, task) => one((signer) => signer.sign(what, task)),
    publicKey: (task) => one((signer) => signer.publicKey(task)),
    clientKey: (task) => one((signer) => signer.clientKey(task)),
    async check(task) {
      for (const signer of signers) await signer.check(task);
    },
  };
}
