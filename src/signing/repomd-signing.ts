import { signaturePackets, signaturePacketsIn } from '../base/openpgp-packets.ts';
import type { Task } from '../base/task.ts';
import type { RepomdSigning } from '../rpm/repository/renew-metadata.ts';
import type { Signer } from './signer.ts';
import { isSignedByOne } from './verify-detached.ts';

/**
 * Returns who signs a repository's metadata with one key. Of a key with several parts that sign the oldest counts, which every client has:
 * a client whose librepo verifies with rpm (Fedora 39, Enterprise Linux 10) refuses a repomd.xml.asc that holds more than one
 * signature ("Expected a bare OpenPGP signature").
 */
export function repomdSigning(signer: Signer, task: Task): RepomdSigning {
  return {
    async sign(repomd) {
      const [first = new Uint8Array()] = signaturePackets(await signer.sign(repomd, task));
      return first;
    },
    async isGood(repomd, signature) {
      if (signaturePacketsIn(signature).length !== 1) return false;
      return isSignedByOne(await signer.clientKey(task), repomd, [signature], task);
    },
  };
}
