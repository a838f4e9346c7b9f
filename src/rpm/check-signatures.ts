import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { checkSignatures, importKeys, type SignatureFault } from '../programs/rpm.ts';

/**
 * Checks RPM files with rpmkeys, at the strictest level, against a keyring made of these keys alone.
 * @param keys armored or binary public keys, as files hold them
 * @param dir made anew for the keyring
 * @returns what did not pass
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
  return checkSignatures(join(dir, 'db'), files, join(dir, 'home'), task);
}
