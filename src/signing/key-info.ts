import { type Config, config, enums, type Key, readKeys, type Subkey } from 'openpgp';
import { NightlyError } from '../base/errors.ts';

/** What a public key says of itself. */
export interface KeyInfo {
  /** Fingerprint of the primary key: 40 upper-case hex digits. */
  readonly fingerprint: string;
  /** Name of the algorithm, as in `RSA 4096`. */
  readonly algorithm: string;
  readonly userId: string;
  readonly made: Date;
  /** The moment it stops signing; undefined: it never expires. */
  readonly expires?: Date | undefined;
  /** Why it cannot sign now, as in `has expired on 2026-01-01`; undefined: it can. */
  readonly problem?: string | undefined;
}

/** Number of days before its expiry from which a key is warned about. */
const WARN_DAYS = 60;
const DAY_MS = 86_400_000;

/** SHA-1 is as GnuPG 2.0 bound keys to themselves; it is the operator's own key that is read with this. */
export const OPENPGP_CONFIG: Config = {
  ...config,
  rejectHashAlgorithms: new Set([enums.hash.md5]),
  // Nothing in a signature but what every reader knows; and the same signature again for the same second.
  nonDeterministicSignaturesViaNotation: false,
};

/**
 * Reads public keys, binary, one behind another.
 * @param place for messages
 * @throws NightlyError `signing` when there is no key in it.
 */
export async function readKeyInfo(keyring: Uint8Array, place: string, now = new Date()): Promise<KeyInfo[]> {
  const keys = await readKeys({ binaryKeys: keyring, config: OPENPGP_CONFIG }).catch((error: unknown) => {
    throw new NightlyError('signing', `${place} is not an OpenPGP key: ${messageOf(error)}.`, {
      hint: 'Export the key again, with "gpg --export" or "atomic-nightly keys generate".',
    });
  });
  return Promise.all(keys.map((key) => keyInfo(key, now)));
}

/** Returns what a key says of itself at a time. */
export async function keyInfo(key: Key, now: Date): Promise<KeyInfo> {
  const { algorithm, bits, curve } = key.keyPacket.getAlgorithmInfo();
  const signing = await key.getSigningKey(undefined, now, undefined, OPENPGP_CONFIG).catch(() => undefined);
  const expires = earliest([
    await expiryOf(key),
    signing && 'mainKey' in signing ? await expiryOf(signing) : undefined,
  ]);
  const problem = await problemOf(key, signing !== undefined, expires, now);
  return {
    fingerprint: key.getFingerprint().toUpperCase(),
    algorithm: bits === undefined ? (curve ?? algorithm) : `${algorithm.replace(/^rsa.*/, 'RSA')} ${bits}`,
    userId: key.getUserIDs()[0] ?? '',
    made: key.getCreationTime(),
    expires,
    problem,
  };
}

async function problemOf(
  key: Key,
  canSign: boolean,
  expires: Date | undefined,
  now: Date,
): Promise<string | undefined> {
  if (await key.isRevoked(undefined, undefined, now, OPENPGP_CONFIG)) return 'has been revoked';
  if (expires !== undefined && expires <= now) return `has expired on ${dayOf(expires)}`;
  if (key.getCreationTime() > now)
    return `was made in the future (${dayOf(key.getCreationTime())}): is the clock right?`;
  return canSign ? undefined : 'may not sign: it has no valid part for signatures';
}

async function expiryOf(key: Key | Subkey): Promise<Date | undefined> {
  const time = await key.getExpirationTime(undefined, OPENPGP_CONFIG);
  return time instanceof Date ? time : undefined;
}

function earliest(dates: readonly (Date | undefined)[]): Date | undefined {
  return dates.filter((date) => date !== undefined).toSorted((a, b) => a.getTime() - b.getTime())[0];
}

/** Whole days until a key expires; undefined for one that never does. */
export function daysLeft({ expires }: KeyInfo, now = new Date()): number | undefined {
  return expires && Math.floor((expires.getTime() - now.getTime()) / DAY_MS);
}

/** Returns a sentence for a key that expires within 60 days; undefined for others. */
export function expiryWarning(key: KeyInfo, now = new Date()): string | undefined {
  const left = daysLeft(key, now);
  if (left === undefined || left > WARN_DAYS || key.expires === undefined) return undefined;
  return `key ${key.fingerprint} expires in ${left} days, on ${dayOf(key.expires)}: clients refuse what it signed from then on`;
}

/** @throws NightlyError `signing` when one of the keys cannot sign now. */
export function refuseUnusable(keys: readonly KeyInfo[]): void {
  const bad = keys.find(({ problem }) => problem !== undefined);
  if (!bad) return;
  throw new NightlyError('signing', `The key ${bad.fingerprint} (${bad.userId}) ${bad.problem ?? ''}.`, {
    hint: 'Nothing was done. Name another key under "signing", or extend this one: docs/signing.md says how, and what clients need.',
  });
}

/** `2026-11-21` */
export function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}

/** Returns what an error says, without a full stop at its end. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
}
