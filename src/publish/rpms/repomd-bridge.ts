import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesIfThere } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { REPOMD } from '../../rpm/repository/package-digests.ts';
import { REPOMD_SIGNATURE } from '../../rpm/repository/renew-metadata.ts';
import { contentEquals } from '../../targets/expect.ts';
import type { SmallFile, Target } from '../../targets/target.ts';

/**
 * A client fetches repomd.xml and then its signature. Where both change in between, it has the old one of the first and the new one of the
 * second: "Bad GPG signature", and dnf does not try again, whatever addresses it has. So for a while the file with the signature holds two
 * armored blocks, the new signature and behind it the old one. librepo that verifies with gpgme takes the metadata if any is good (gpg
 * finds every block); librepo that verifies with rpm (Fedora 39, Enterprise Linux 10) reads the first block alone, and so loses nothing.
 * Two signatures in one block it would refuse.
 */

const END = '-----END PGP SIGNATURE-----\n';

/**
 * Returns what is published in place of a signature and its repomd.xml.
 * @param files the signature, then repomd.xml
 * @param there what the target has of each
 */
export function bridged(files: readonly SmallFile[], there: readonly (Uint8Array | undefined)[]): readonly SmallFile[] {
  const [signature, repomd] = files;
  const [oldSignature, oldRepomd] = there;
  if (!signature || !repomd || !oldSignature || !oldRepomd || contentEquals(oldRepomd, repomd.content)) return files;
  const text = Buffer.from(oldSignature).toString('latin1');
  const end = text.indexOf(END);
  // Somebody else's form of it is left out.
  if (end < 0) return files;
  const first = Buffer.from(text.slice(0, end + END.length), 'latin1');
  return [{ path: signature.path, content: Buffer.concat([signature.content, first]) }, repomd];
}

/**
 * Leaves one signature, once clients that had fetched the old repomd.xml have its signature: after some seconds. Nothing is done where
 * the target has other metadata than the local repository. The log has it already.
 * @param repository the local repository
 * @throws NightlyError those of the target; `target-moved` when another publisher is at work.
 */
export async function settleSignature(
  { repository, folder }: { readonly repository: string; readonly folder: string },
  target: Target,
  task: Task,
): Promise<void> {
  const signature = await bytesIfThere(join(repository, REPOMD_SIGNATURE));
  const repomd = await readFile(join(repository, REPOMD));
  const paths = [`${folder}/${REPOMD_SIGNATURE}`, `${folder}/${REPOMD}`] as const;
  const [oldSignature, oldRepomd] = await target.readMany(paths, task);
  if (!signature || !contentEquals(oldRepomd, repomd) || contentEquals(oldSignature, signature)) return;
  const expect = [
    { path: paths[0], content: oldSignature },
    { path: paths[1], content: oldRepomd },
  ];
  await target.swap({ expect, put: [{ path: paths[0], content: signature }] }, task);
}
