import { enums, type Key, readKeys, type SignaturePacket } from 'openpgp';
import { NightlyError } from '../base/errors.ts';
import { keyInfo, OPENPGP_CONFIG } from './key-info.ts';
import { chosenParts, partName, signingParts } from './key-parts.ts';

/** What RPM and koji make of a key. */
export interface RpmKey {
  /** Fingerprint of the primary key: 40 upper-case hex digits. */
  readonly fingerprint: string;
  /** The part that an RPM is signed by: 16 lower-case hex digits. koji files its signatures under the last 8. */
  readonly keyId: string;
  readonly isPrimary: boolean;
  /** Name of the algorithm, as in `RSA 4096`. */
  readonly algorithm: string;
  /** When it expires; undefined: never. */
  readonly expires?: Date | undefined;
  /** Why it cannot sign packages for hosts of the release, as sentences. */
  readonly faults: readonly string[];
}

/** Algorithms that rpm of a major release of Enterprise Linux verifies. */
const ALGORITHMS: readonly { readonly from: number; readonly names: RegExp; readonly what: string }[] = [
  { from: 10, names: /^(rsa|eddsa|ed25519|ecdsa)/i, what: 'RSA, Ed25519 or ECDSA' },
  { from: 8, names: /^(rsa|eddsa|ed25519)/i, what: 'RSA or Ed25519' },
  { from: 0, names: /^rsa/i, what: 'RSA' },
];

/** Release from which a SHA-1 self-signature has rpm refuse the key itself (its crypto policy). */
const STRICT_FROM = 9;

/** Release whose rpm (4.14) is the first to know subkeys. */
const SUBKEYS_FROM = 8;

/**
 * Looks at a public key as RPM of a release does, before anything is signed or sent.
 * @param keyring one binary public key
 * @param about `release`: major version of Enterprise Linux whose hosts install the packages; `subkeys`: fingerprints of the
 *   parts that sign, out of the configuration
 * @throws NightlyError `signing` when it is no key.
 */
export async function readRpmKey(
  keyring: Uint8Array,
  about: {
    readonly release: number;
    readonly subkeys?: readonly string[] | undefined;
    readonly now: Date;
    readonly place: string;
  },
): Promise<RpmKey> {
  const { release, subkeys, now, place } = about;
  const keys = await readKeys({ binaryKeys: keyring, config: OPENPGP_CONFIG }).catch((error: unknown) => {
    throw new NightlyError('signing', `${place} is not an OpenPGP key.`, { cause: error });
  });
  const [key] = keys;
  if (!key) throw new NightlyError('signing', `${place} holds no key.`);
  const info = await keyInfo(key, now);
  const able = await signingParts(key, now);
  // An RPM has one signature, by the oldest part.
  const [part = key] = info.problem === undefined ? chosenParts(able, subkeys, place) : able;
  const isPrimary = partName(part) === info.fingerprint;
  const { algorithm, bits, curve } = part.keyPacket.getAlgorithmInfo();
  const name = bits === undefined ? (curve ?? algorithm) : `RSA ${bits}`;
  const faults: string[] = [];
  const add = (fault: boolean, text: string): void => {
    if (fault) faults.push(text);
  };
  const el = `hosts of release ${release}`;
  add(keys.length > 1, `The keyring ${place} holds ${keys.length} keys, and an RPM is signed by one.`);
  add(
    info.problem !== undefined,
    `The key ${info.fingerprint} ${info.problem}${info.problem?.endsWith('?') ? '' : '.'}`,
  );
  const allowed = ALGORITHMS.find(({ from }) => release >= from);
  add(
    allowed?.names.test(algorithm) !== true,
    `${el} verify ${allowed?.what} signatures of packages, and the key is ${name}.`,
  );
  add(
    release >= STRICT_FROM && hasWeakBinding(key),
    `${el} refuse the key, because it is bound to its user id or subkey by a SHA-1 signature: issue it again with "gpg --cert-digest-algo SHA512".`,
  );
  add(
    !isPrimary && release < SUBKEYS_FROM,
    `${el} know primary keys alone, and a subkey signs: sign with the primary key.`,
  );
  return {
    fingerprint: info.fingerprint,
    keyId: part.getKeyID().toHex().toLowerCase(),
    ...{ isPrimary, algorithm: name, expires: info.expires, faults: faults.map(sentence) },
  };
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Whether the newest signature by which the key vouches for a user id or a subkey uses a broken hash. */
function hasWeakBinding(key: Key): boolean {
  const bindings = [
    ...key.users.map(({ selfCertifications }) => selfCertifications),
    ...key.subkeys.map(({ bindingSignatures }) => bindingSignatures),
  ];
  return bindings.some((signatures) => isWeak(newest(signatures)));
}

const newest = (signatures: readonly SignaturePacket[]): SignaturePacket | undefined =>
  signatures.toSorted((a, b) => (b.created?.getTime() ?? 0) - (a.created?.getTime() ?? 0))[0];

const isWeak = (signature: SignaturePacket | undefined): boolean =>
  signature?.hashAlgorithm === enums.hash.sha1 || signature?.hashAlgorithm === enums.hash.md5;
