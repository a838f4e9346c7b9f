import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { ifThere, makeFolder } from '../../base/files.ts';
import { armoredKey } from '../../base/openpgp-packets.ts';
import type { Task } from '../../base/task.ts';
import type { PublishableRpm } from '../../rebuild/publishable-results.ts';
import { packagePath, rebuildFolder } from '../../rebuild/rebuild-folder.ts';
import { checkRpms } from '../../rpm/check-signatures.ts';
import { readPackageIdentity } from '../../rpm/package-identity.ts';
import { signRpms } from '../../signing/sign-rpms.ts';
import type { Signer } from '../../signing/signer.ts';

/** A signed package. */
export interface SignedRpm {
  /** Absolute. */
  readonly file: string;
  readonly sha256: string;
}

/**
 * Signs packages into a folder where each is named by its header and its bytes, `HEADER-SHA256.rpm`: a name is there when the file is
 * whole, signed and verified, so that a kill leaves nothing that counts, and nothing is signed twice.
 * @param key fingerprint of the key: each has a folder of its own
 * @returns by header
 * @throws NightlyError `signing`, `verify` naming each package that is not signed as it should be, `package-missing`.
 */
export async function signedPool(
  work: string,
  rpms: readonly PublishableRpm[],
  { signer, key }: { readonly signer: Signer; readonly key: string },
  task: Task,
): Promise<Map<string, SignedRpm>> {
  const folder = join(rebuildFolder(work), 'signed', key);
  await makeFolder(folder);
  const pool = await readPool(folder);
  const due = rpms.filter(({ header }) => !pool.has(header));
  const made = await Promise.all(
    due.map(async (one) => ({
      one,
      file: await packagePath(work, one.job, one),
      out: join(folder, `${one.header}.made.rpm`),
    })),
  );
  const unsignable = await signRpms(made, signer, task);
  const unsigned = unsignable.map(({ file, why }) => `  ${file}: ${why}`);
  const files = made.map(({ out }) => out);
  const faults =
    unsigned.length > 0
      ? []
      : await checkRpms(files, [armoredKey(await signer.clientKey(task))], join(rebuildFolder(work), 'rpm-keys'), task);
  const lines = [...unsigned, ...faults.map(({ file, report }) => `  ${file}: ${report}`)];
  if (lines.length > 0) {
    throw new NightlyError(
      'verify',
      `${lines.length} packages cannot be signed as they should be:\n${lines.join('\n')}`,
      {
        hint: 'Nothing was published. Have them rebuilt.',
      },
    );
  }
  for (const { one, out } of made) {
    // What is published is what was accepted: signing keeps the header.
    const { header, sha256 } = await readPackageIdentity(out);
    if (header !== one.header)
      throw new NightlyError('verify', `${out} is not ${one.nevra} any more.`, { hint: 'Run the same command again.' });
    const file = join(folder, `${header}-${sha256}.rpm`);
    await rename(out, file);
    pool.set(header, { file, sha256 });
  }
  return pool;
}

async function readPool(folder: string): Promise<Map<string, SignedRpm>> {
  const names = (await ifThere(readdir(folder))) ?? [];
  return new Map(
    names.flatMap((name): [string, SignedRpm][] => {
      const [, header, sha256] = /^([0-9a-f]{64})-([0-9a-f]{64})\.rpm$/.exec(name) ?? [];
      return header && sha256 ? [[header, { file: join(folder, name), sha256 }]] : [];
    }),
  );
}
