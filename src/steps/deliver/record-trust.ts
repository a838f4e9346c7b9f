import { join } from 'node:path';
import { bytesIfThere } from '../../base/files.ts';
import { signaturePacketsIn } from '../../base/openpgp-packets.ts';
import type { Task } from '../../base/task.ts';
import type { Config, StreamConfig } from '../../config/config.ts';
import { targetUses } from '../../config/lookup.ts';
import type { RecordTrust } from '../../published/record-trust.ts';
import { isPointerPath, pointerPaths } from '../../published/stream-files.ts';
import { streamSigners } from '../../run/project.ts';
import { keepSignature, keptSignatures } from '../../signing/kept-signatures.ts';
import { jointSigner } from '../../signing/open-signer.ts';
import { findingsOf, isSignedByOne } from '../../signing/verify-detached.ts';
import { contentEquals } from '../../targets/expect.ts';

/**
 * Returns how records of a target are judged before they decide what is removed or sent, or are signed again (I12); undefined
 * where the streams that publish there do not sign: the rules of a configuration have all of them sign, or none. A pointer must be
 * signed by a stream that writes it.
 * @throws NightlyError `signing`, when first asked, while the public key of a stream cannot be had
 */
export function recordTrust(
  config: Pick<Config, 'streams' | 'work'>,
  target: string,
  task: Task,
): RecordTrust | undefined {
  const there = Object.values(config.streams).filter((stream) => targetUses(stream).has(target));
  const signing = there.filter((stream) => stream.signing !== undefined);
  if (signing.length === 0) return undefined;
  const kept = join(config.work, 'signatures');
  const known = new Map<StreamConfig, Promise<Uint8Array>>();
  const keyOf = (stream: StreamConfig): Promise<Uint8Array> => {
    const key = known.get(stream) ?? jointSigner(streamSigners(config, stream)).clientKey(task);
    known.set(stream, key);
    return key;
  };
  /** Returns the streams that may have written a file. One that no stream here writes any more was signed by some stream of the target. */
  const writersOf = (path: string): readonly StreamConfig[] => {
    const writers = signing.filter((stream) => isPointerPath(path) && pointerPaths(stream).includes(path));
    return writers.length === 0 ? signing : writers;
  };
  const keysFor = async (path: string) => new Uint8Array(Buffer.concat(await Promise.all(writersOf(path).map(keyOf))));
  const isOurs = async (path: string, content: Uint8Array) =>
    contentEquals(content, await bytesIfThere(join(config.work, path)));
  const wasSigned = async (content: Uint8Array, publicKey: Uint8Array) =>
    isSignedByOne(publicKey, content, await keptSignatures(kept, content), task);
  return {
    async believes(path, content, signature) {
      if (await isOurs(path, content)) return true;
      const packets = signaturePacketsIn(signature);
      if (packets.length === 0) return false;
      const publicKey = await keysFor(path);
      const found = await Promise.all(
        packets.map((packet) => findingsOf({ what: content, signature: packet, publicKey }, task)),
      );
      // A reader with both keys of a rotation refuses the whole when one of two is bad.
      return found.flat().includes('good') && !found.flat().includes('bad');
    },
    async vouches(path, content, signatures) {
      if (await isOurs(path, content)) return true;
      const publicKey = await keysFor(path);
      if (await wasSigned(content, publicKey)) return true;
      for (const packet of signatures) {
        if (!(await isSignedByOne(publicKey, content, [packet], task))) continue;
        await keepSignature(kept, content, packet);
        return true;
      }
      return false;
    },
  };
}
