import { type Key, readKeys, type Subkey } from 'openpgp';
import { NightlyError } from '../base/errors.ts';
import { OPENPGP_CONFIG } from './key-info.ts';

/**
 * Which parts of a key sign. A key may have several parts that can: the primary key and any number of subkeys. Clients
 * have the key as it was when they were given it, and refuse what a part signed that was added later. So everything is
 * signed by each part that can, oldest first, unless the configuration names the parts; and what counts as signed is what
 * a client accepts that has the oldest of them alone.
 */
export type KeyPart = Key | Subkey;

/** Fingerprint of a part, upper-case hex. */
export const partName = (part: KeyPart): string => part.getFingerprint().toUpperCase();

/** Returns the parts of a key that can make signatures at a time, oldest first; the private half need not be there. */
export async function signingParts(key: Key, now: Date): Promise<KeyPart[]> {
  const candidates: KeyPart[] = [key, ...key.subkeys];
  const able: KeyPart[] = [];
  for (const part of candidates) {
    const found = await key.getSigningKey(part.getKeyID(), now, undefined, OPENPGP_CONFIG).catch(() => undefined);
    if (found) able.push(part);
  }
  return able.toSorted((a, b) => a.getCreationTime().getTime() - b.getCreationTime().getTime());
}

/** Returns the parts of a public key, binary, that can make signatures now, oldest first. */
export async function signingPartsOf(keyring: Uint8Array): Promise<KeyPart[]> {
  const [key] = await readKeys({ binaryKeys: keyring, config: OPENPGP_CONFIG });
  return key ? signingParts(key, new Date()) : [];
}

/**
 * Returns the parts to sign with.
 * @param named fingerprints out of the configuration; undefined: all of `able`
 * @param place of the key, for messages
 * @throws NightlyError `signing` when one that is named cannot sign.
 */
export function chosenParts(
  able: readonly KeyPart[],
  named: readonly string[] | undefined,
  place: string,
): readonly KeyPart[] {
  if (named === undefined) return able;
  return named.map((fingerprint) => {
    const part = able.find((one) => partName(one) === fingerprint);
    if (part) return part;
    const has = able.map(partName).join(', ') || 'none';
    throw new NightlyError('signing', `"subkeys" names ${fingerprint}, which cannot sign for the key in ${place}.`, {
      hint: `It is not there, has expired or been revoked, may not sign, or its private half is missing. Parts that can sign: ${has}.`,
    });
  });
}

/**
 * Returns a public key as the clients have it that were given it first: of the parts that can sign, subkeys other than
 * the oldest usable one are taken out.
 * @param keyring one binary public key
 * @param usable fingerprints of the parts that sign, oldest first; empty: the key as it is
 */
export async function oldestClientKey(keyring: Uint8Array, usable: readonly string[]): Promise<Uint8Array> {
  const [oldest] = usable;
  if (oldest === undefined) return keyring;
  const [key] = await readKeys({ binaryKeys: keyring, config: OPENPGP_CONFIG });
  if (!key || key.subkeys.length === 0) return keyring;
  key.subkeys = key.subkeys.filter((subkey) => partName(subkey) === oldest);
  return key.write();
}
