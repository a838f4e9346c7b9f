import { createPublicKey, type KeyObject } from 'node:crypto';
import { NightlyError } from '../base/errors.ts';
import { readPublicFile } from '../base/secret-file.ts';
import { signingFile } from '../signing/signing-file.ts';

/** Reads the public key by which an operator signs results. @throws NightlyError `signing` */
export async function readStatementKey(file: string): Promise<KeyObject> {
  const pem = await readPublicFile(file, signingFile('public key'));
  const hint = 'The operator makes it with "openssl ec -in KEY -pubout"; KEY is on the curve P-256.';
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  } catch (error) {
    throw new NightlyError('signing', `${file} holds no public key in PEM.`, { hint, cause: error });
  }
  throw new NightlyError('signing', `The key in ${file} is not on the curve P-256.`, { hint });
}
