import { readFileSync } from 'node:fs';
import type { TlsSettings } from './connection.ts';
import { RefusedConnection, reasonOf } from './connection-faults.ts';
import { definedOnly } from './defined-only.ts';
import { isErrno } from './files.ts';

/** Variables of the environment that name a file with the certificates to trust; the first one counts, as for curl. */
export const CA_VARIABLES = ['CURL_CA_BUNDLE', 'SSL_CERT_FILE'] as const;

/**
 * Reads the certificates and the key of a connection, as Node's TLS takes them.
 * @throws RefusedConnection for a file that cannot be read.
 */
export function tlsFiles({ caFile, certFile, keyFile = certFile }: TlsSettings): {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
} {
  return definedOnly({
    ca: caFile === undefined ? systemCa() : readTlsFile(caFile),
    cert: certFile === undefined ? undefined : readTlsFile(certFile),
    key: keyFile === undefined ? undefined : readTlsFile(keyFile),
  });
}

function readTlsFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = isErrno(error, 'ENOENT') ? 'is not there' : `cannot be read: ${reasonOf(error)}`;
    throw new RefusedConnection(`the certificate or key ${path} ${why}`, { cause: error });
  }
}

/** Where Debian, Fedora and CentOS, and SUSE keep what the system trusts; Node has a list of its own instead. */
const SYSTEM_CA = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/ca-bundle.pem',
];

/**
 * Returns the certificates that the system trusts, with those of `NODE_EXTRA_CA_CERTS`, which Node adds to its own list alone;
 * undefined where the system has none, and Node's count.
 */
export function systemCa(): Buffer | undefined {
  const [own, extra] = [trustedHere(), process.env['NODE_EXTRA_CA_CERTS']];
  return own && extra ? Buffer.concat([own, Buffer.from('\n'), readFileSync(extra)]) : own;
}

function trustedHere(): Buffer | undefined {
  const named = CA_VARIABLES.map((name) => process.env[name]).find(Boolean);
  if (named) return readFileSync(named);
  for (const path of SYSTEM_CA) {
    try {
      return readFileSync(path);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
  return undefined;
}
