import { dearmored, signaturePackets } from '../base/openpgp-packets.ts';
import { readPublicFile } from '../base/secret-file.ts';
import type { SigningCommandConfig } from '../config/config.ts';
import { type Answer, askSigningProgram, requireSigningProgram } from './ask-command.ts';
import { readKeyInfo, refuseUnusable } from './key-info.ts';
import { chosenParts, oldestClientKey, partName, signingPartsOf } from './key-parts.ts';
import type { Signer } from './signer.ts';
import { signingFile } from './signing-file.ts';

/**
 * Has another program sign: the bytes go to its standard input, the signature comes from its standard output, and what
 * it prints on standard error goes into the step's log.
 */
export function commandSigner(config: SigningCommandConfig): Signer {
  const { publicKeyFile, subkeys } = config;
  const publicKey = async (): Promise<Uint8Array> =>
    dearmored(await readPublicFile(publicKeyFile, signingFile('public key')));
  return {
    publicKey,
    async clientKey() {
      const key = await publicKey();
      // The file is what clients were given, unless the configuration says what they have of it.
      if (subkeys === undefined) return key;
      return oldestClientKey(key, chosenParts(await signingPartsOf(key), subkeys, publicKeyFile).map(partName));
    },
    async check() {
      refuseUnusable(await readKeyInfo(await publicKey(), publicKeyFile));
      if (subkeys !== undefined) chosenParts(await signingPartsOf(await publicKey()), subkeys, publicKeyFile);
      await requireSigningProgram(config.command, 'signing');
    },
    sign: (what, task) => askSigningProgram(config, what, ANSWER, task),
  };
}

const ANSWER: Answer = {
  signatureIn(output) {
    try {
      const signature = dearmored(output);
      signaturePackets(signature);
      return signature;
    } catch {
      return undefined;
    }
  },
  kind: 'OpenPGP signature',
  wanted: 'one detached signature, armored or binary,',
};
