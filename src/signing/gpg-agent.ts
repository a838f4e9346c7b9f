import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { isErrno, withTemporaryFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import type { GpgAgentConfig } from '../config/config.ts';
import { gpgExportTo, gpgSecretParts, gpgSignFile } from '../programs/gpg.ts';
import { readKeyInfo, refuseUnusable } from './key-info.ts';
import { chosenParts, oldestClientKey, partName, signingPartsOf } from './key-parts.ts';
import type { Signer } from './signer.ts';

/** Seconds for one signature: somebody may have to touch a card. */
const TIME_LIMIT = 120;

/** Each starts gpg; the agent takes one after the other. */
const AT_A_TIME = 4;

/** Signs with a key of a GnuPG home. Its agent has the passphrase or the card; this program sees neither. */
export function gpgAgentSigner({ home, key, subkeys }: GpgAgentConfig): Signer {
  const place = `the GnuPG home ${home ?? 'of this user'}`;
  const failed = (what: string, error: unknown): NightlyError =>
    error instanceof NightlyError && error.code === 'interrupted'
      ? error
      : new NightlyError('signing', `${what}: ${error instanceof Error ? error.message : String(error)}`, {
          hint: `"gpg ${home === undefined ? '' : `--homedir ${home} `}--list-secret-keys" must name the key, and its agent must sign without asking.`,
          cause: error,
        });
  const publicKey = (task: Task): Promise<Uint8Array> =>
    withTemporaryFolder(async (folder) => {
      const file = join(folder, 'key.gpg');
      const found = await gpgExportTo({ home, key, file }, task)
        .then(() => readFile(file))
        .catch((error: unknown) => {
          // gpg exports nothing, makes no file, and calls that a success.
          if (isErrno(error, 'ENOENT'))
            throw failed(`The public key of ${key} cannot be had`, `${place} has no such key`);
          throw failed(`The public key of ${key} cannot be had`, error);
        });
      return new Uint8Array(found);
    });
  const secretParts = (task: Task) =>
    gpgSecretParts({ home, key }, task).catch((error: unknown) => {
      throw failed(`It cannot be told whether the private half of ${key} is there`, error);
    });
  const partsToUse = async (task: Task): Promise<readonly string[]> => {
    const able = await signingPartsOf(await publicKey(task));
    const secret = await secretParts(task);
    if (secret.length === 0) {
      throw new NightlyError('signing', `${place} has only the public half of ${key}.`, {
        hint: 'Import the private half there ("gpg --import"), or put the card in once ("gpg --card-status").',
      });
    }
    const there = able.filter((part) => secret.includes(partName(part)));
    if (there.length > 0) return chosenParts(there, subkeys, place).map(partName);
    throw new NightlyError('signing', `${place} lacks the private half of every part of ${key} that can sign.`, {
      hint: '"gpg --list-secret-keys" marks such a part with "#": import it from where it is.',
    });
  };
  // Asked once in a run: each of hundreds of files is signed by the same parts.
  let known: Promise<readonly string[]> | undefined;
  const parts = (task: Task) =>
    (known ??= partsToUse(task).catch((error: unknown) => {
      known = undefined;
      throw error;
    }));
  return {
    atATime: AT_A_TIME,
    publicKey,
    async clientKey(task) {
      const keyring = await publicKey(task);
      // Whoever only verifies may have the public half alone, and no agent.
      const secret = await secretParts(task).catch((): string[] => []);
      task.signal.throwIfAborted();
      const able = await signingPartsOf(keyring);
      const there = able.filter((part) => secret.includes(partName(part)));
      return oldestClientKey(keyring, chosenParts(there.length > 0 ? there : able, subkeys, place).map(partName));
    },
    async check(task) {
      refuseUnusable(await readKeyInfo(await publicKey(task), `key ${key}`));
      await parts(task);
    },
    sign: (what, task) =>
      withTemporaryFolder(async (folder) => {
        const [bytes, signature] = [join(folder, 'data'), join(folder, 'data.sig')];
        if (what instanceof Uint8Array) await writeFile(bytes, what);
        const file = what instanceof Uint8Array ? bytes : what.file;
        const timeoutMs = TIME_LIMIT * 1000;
        await gpgSignFile({ home, parts: await parts(task), file, signature, timeoutMs }, task).catch(
          (error: unknown) => {
            throw failed(`The key ${key} did not sign`, error);
          },
        );
        return new Uint8Array(await readFile(signature));
      }),
  };
}
