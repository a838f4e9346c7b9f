import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere } from '../../src/base/files.ts';
import type { Task } from '../../src/base/task.ts';
import type { RecordTrust } from '../../src/published/record-trust.ts';
import { keepSignature, keptSignatures } from '../../src/signing/kept-signatures.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { isSignedByOne } from '../../src/signing/verify-detached.ts';
import { contentEquals } from '../../src/targets/expect.ts';

/** Judges what a target has by a signer's key alone, by the signatures that were kept, and by what the work folder has. */
export function keyTrust(
  { signer, kept, work }: { readonly signer: Signer; readonly kept: string; readonly work: string },
  task: Task,
): RecordTrust {
  const isSigned = async (content: Uint8Array, signatures: readonly Uint8Array[]) =>
    isSignedByOne(await signer.clientKey(task), content, signatures, task);
  return {
    believes: async () => true,
    async vouches(path, content, signatures) {
      if (contentEquals(content, await ifThere(readFile(join(work, path))))) return true;
      if (await isSigned(content, await keptSignatures(kept, content))) return true;
      for (const packet of signatures) {
        if (!(await isSigned(content, [packet]))) continue;
        await keepSignature(kept, content, packet);
        return true;
      }
      return false;
    },
  };
}
