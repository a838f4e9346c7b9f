import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { TlsSettings } from '../base/connection.ts';
import { NightlyError } from '../base/errors.ts';

import { systemReason } from '../base/unreadable.ts';
import type { RepoDefinition } from './repofile.ts';

/**
 * Makes sure that the certificates and the key that a .repo file names can be used: what TLS says of a bad one names neither
 * file nor cause, and dnf less.
 * @throws NightlyError `config`, naming option, file and cause.
 */
export async function checkCertificates(repo: RepoDefinition): Promise<void> {
  await checkFiles(repo, 'ssl', repo.connection);
  await checkFiles(repo, 'proxy_ssl', repo.connection.proxyTls ?? {});
}

async function checkFiles(
  repo: RepoDefinition,
  start: 'ssl' | 'proxy_ssl',
  { caFile, certFile, keyFile }: TlsSettings,
): Promise<void> {
  const fail = (option: string, path: string, why: string, cause?: unknown): NightlyError =>
    new NightlyError('config', `Repository "${repo.id}": ${option}=${path} ${why}.`, {
      hint: 'Correct the option in the .repo file, or the file it names: PEM, readable by the user that runs this.',
      place: { file: repo.file, line: repo.line },
      cause,
    });
  const read = async (option: string, path: string): Promise<Buffer> => {
    try {
      return await readFile(path);
    } catch (error) {
      throw fail(option, path, `cannot be read: ${systemReason(error)}`, error);
    }
  };
  const certificate = async (option: string, path: string): Promise<X509Certificate> => {
    const bytes = await read(option, path);
    try {
      return new X509Certificate(bytes);
    } catch (error) {
      throw fail(option, path, 'holds no certificate in PEM format', error);
    }
  };
  if (caFile !== undefined) await certificate(`${start}cacert`, caFile);
  if (certFile === undefined) return;
  const own = await certificate(`${start}clientcert`, certFile);
  const [option, path] = keyFile === undefined ? [`${start}clientcert`, certFile] : [`${start}clientkey`, keyFile];
  const key = readKey(
    await read(option, path),
    (why, cause) => fail(option, path, why, cause),
    keyFile === undefined ? `${start}clientkey` : undefined,
  );
  if (!own.checkPrivateKey(key)) throw fail(option, path, `does not belong to the certificate ${certFile}`);
  if (Date.parse(own.validTo) < Date.now())
    throw fail(`${start}clientcert`, certFile, `expired on ${new Date(own.validTo).toISOString()}`);
}

/** @param missing the option that names the key elsewhere, where it is not used */
function readKey(
  pem: Buffer,
  fail: (why: string, cause: unknown) => NightlyError,
  missing: string | undefined,
): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    if (pem.includes('ENCRYPTED')) throw fail('is protected by a passphrase, which nobody can type in here', error);
    throw fail(
      missing === undefined
        ? 'holds no private key in PEM format'
        : `holds no private key, and there is no ${missing}= beside it`,
      error,
    );
  }
}
