import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { makeFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { checkSignatures, importKeys, type SignatureFault } from '../programs/rpm.ts';
import { readRpmStart, signaturesOf } from './signature/rpm-signature.ts';

/**
 * Checks RPM files with rpmkeys, at the strictest level, against a keyring made of these keys alone.
 * @param keys armored or binary public keys, as files hold them
 * @param dir made anew for the keyring
 * @returns what did not pass, and why, in the order of the files
 * @throws NightlyError `tool-failed` when a key cannot be read.
 */
export async function checkRpms(
  files: readonly string[],
  keys: readonly (string | Uint8Array)[],
  dir: string,
  task: Task,
): Promise<SignatureFault[]> {
  if (files.length === 0) return [];
  await rm(dir, { recursive: true, force: true });
  await makeFolder(join(dir, 'home'));
  const keyFiles = keys.map((_, index) => join(dir, `${index}.asc`));
  for (const [index, key] of keys.entries()) await writeFile(keyFiles[index] ?? '', key);
  await importKeys(join(dir, 'db'), keyFiles, join(dir, 'home'), task);
  const faults = await checkSignatures(join(dir, 'db'), files, join(dir, 'home'), task);
  return Promise.all(faults.map(explained));
}

/** rpmkeys says the same of a package without a signature, of one that only rpm 6 can see, and of what is no package. */
async function explained(fault: SignatureFault): Promise<SignatureFault> {
  if (fault.kind !== 'unsigned') return fault;
  try {
    const signatures = signaturesOf(await readRpmStart(fault.file));
    if (!signatures.some(({ tag }) => tag === 'openpgp')) return fault;
    return { ...fault, report: 'it is signed in the way of rpm 6 alone (tag 278), which counts as not signed' };
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    return { ...fault, kind: 'bad', report: error.message.replace(/\.$/, '') };
  }
}
