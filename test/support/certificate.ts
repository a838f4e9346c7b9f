import { join } from 'node:path';
import { run } from '../../src/programs/exec.ts';

/** Makes a certificate of 127.0.0.1 that signs itself, so that nobody trusts it unless told to. Both files are PEM. */
export async function makeCertificate(dir: string): Promise<{ readonly keyFile: string; readonly file: string }> {
  const [keyFile, file] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  await run('openssl', ['req', ...kind, ...names, '-keyout', keyFile, '-out', file]);
  return { keyFile, file };
}
