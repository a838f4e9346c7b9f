import type { SigningConfig } from '../config/config.ts';
import { commandSigner } from './command.ts';
import { gpgAgentSigner } from './gpg-agent.ts';
import { openpgpSigner } from './openpgp.ts';
import type { Signer } from './signer.ts';

/** Returns the signer that a configuration describes. Nothing is contacted yet. */
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
