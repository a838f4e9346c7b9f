import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere } from '../../base/files.ts';
import { signaturePacketsIn } from '../../base/openpgp-packets.ts';
import type { Task } from '../../base/task.ts';
import type { Config } from '../../config/config.ts';
import { targetUses } from '../../config/lookup.ts';
import type { RecordTrust } from '../../published/record-trust.ts';
import { streamSigners } from '../../run/project.ts';
import { jointSigner } from '../../signing/open-signer.ts';
import { findingsOf } from '../../signing/verify-detached.ts';
import { contentEquals } from '../../targets/expect.ts';

/**
 * Returns how records of a target are judged before they decide what is removed or sent (I12); undefined where no stream that
 * publishes there signs. Where some sign and others do not, a record without a signature may be one of the others', but a
 * signature that is there must be good, and the index belongs to all of them.
 * @throws NightlyError `signing`, when first asked, while the public key of a stream cannot be had
 */
export function recordTrust(config: Config, target: string, task: Task): RecordTrust | undefined {
  const there = Object.values(config.streams).filter((stream) => targetUses(stream).has(target));
  const signing = there.map((stream) => streamSigners(config, stream)).filter((signers) => signers.length > 0);
  if (signing.length === 0) return undefined;
  const allSign = signing.length === there.length;
  const keys = Promise.all(signing.map((signers) => jointSigner(signers).clientKey(task)));
  // Whoever asks is told.
  keys.catch(() => undefined);
  return {
    async believes(path, content, signature) {
      if (contentEquals(content, await ifThere(readFile(join(config.work, path))))) return true;
      const packets = signaturePacketsIn(signature);
      if (packets.length === 0) return !allSign;
      const publicKey = new Uint8Array(Buffer.concat(await keys));
      const found = await Promise.all(
        packets.map((packet) => findingsOf({ what: content, signature: packet, publicKey }, task)),
      );
      // A reader with both keys of a rotation refuses the whole when one of two is bad.
      if (found.flat().includes('bad')) return isShared(path) && !allSign;
      return found.flat().includes('good') || (isShared(path) && !allSign);
    },
  };
}

/** Whether every stream of a target writes it, those that do not sign among them: not what lies in the folder of a build. */
const isShared = (path: string): boolean => !/^builds\/[^/]+\/[^/]+\//.test(path);
