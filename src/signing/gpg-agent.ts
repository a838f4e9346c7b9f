import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GpgAgentConfig } from '../config/config.ts';
import { NightlyError } from '../errors.ts';
import { withTemporaryFolder } from '../tools/files.ts';
import { gpgExportTo, gpgHasSecret, gpgSignFile } from '../tools/gpg.ts';
import type { Task } from '../tools/task.ts';
import { readKeyInfo, refuseUnusable } from './key-info.ts';
import type { Signer } from './signer.ts';

/** Seconds for one signature: somebody may have to touch a card. */
const TIME_LIMIT = 120;

/** Signs with a key of a GnuPG home. Its agent has the passphrase or the card; this program sees neither. */
export function gpgAgentSigner({ home, key }: GpgAgentConfig): Signer {
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
          throw failed(`The public key of ${key} cannot be had`, error);
        });
      return new Uint8Array(found);
    });
  return {
    publicKey,
    async check(task) {
      refuseUnusable(await readKeyInfo(await publicKey(task), `key ${key}`));
      if (await gpgHasSecret({ home, key }, task)) return;
      throw new NightlyError(
        'signing',
        `The GnuPG home ${home ?? 'of this user'} has only the public half of ${key}.`,
        {
          hint: 'Import the private half there ("gpg --import"), or put the card in once ("gpg --card-status").',
        },
      );
    },
    sign: (what, task) =>
      withTemporaryFolder(async (folder) => {
        const [bytes, signature] = [join(folder, 'data'), join(folder, 'data.sig')];
        if (what instanceof Uint8Array) await writeFile(bytes, what);
        const file = what instanceof Uint8Array ? bytes : what.file;
        await gpgSignFile({ home, key, file, signature, timeoutMs: TIME_LIMIT * 1000 }, task).catch(
          (error: unknown) => {
            throw failed(`The key ${key} did not sign`, error);
          },
        );
        return new Uint8Array(await readFile(signature));
      }),
  };
}
