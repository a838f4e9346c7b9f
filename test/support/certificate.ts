import { join } from 'node:path';
import { run } from '../../src/programs/exec.ts';

/** Makes a certificate that signs itself, so that nobody trusts it unless told to. Both files are PEM. @param name default: 127.0.0.1 */
export async function makeCertificate(
  dir: string,
  name?: string,
): Promise<{ readonly keyFile: string; readonly file: string }> {
  const [keyFile, file] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const [common, alternative] = name === undefined ? ['127.0.0.1', 'IP:127.0.0.1'] : [name, `DNS:${name}`];
  const names = ['-subj', `/CN=${common}`, '-addext', `subjectAltName=${alternative}`];
  await run('openssl', ['req', ...kind, ...names, '-keyout', keyFile, '-out', file]);
  return { keyFile, file };
}
