import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesIfThere, ifThere, sha256, writeFileAtomic } from '../base/files.ts';

/** Signatures of others that were good once, beside the folders of the keys that sign here (kept.ts). */
const OTHERS = 'of-others';

/** Returns the signatures of these bytes that were good once, whoever made them; a caller verifies them again. */
export async function keptSignatures(folder: string, content: Uint8Array): Promise<Uint8Array[]> {
  const keys = (await ifThere(readdir(folder))) ?? [];
  const files = keys.map((key) => bytesIfThere(join(folder, key, `${sha256(content)}.sig`)));
  return (await Promise.all(files)).flatMap((signature) => (signature ? [new Uint8Array(signature)] : []));
}

/** Keeps a signature that was just found good, binary, of bytes that are about to be replaced. */
export async function keepSignature(folder: string, content: Uint8Array, signature: Uint8Array): Promise<void> {
  await writeFileAtomic(join(folder, OTHERS, `${sha256(content)}.sig`), signature);
}
