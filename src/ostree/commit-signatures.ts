import { signaturePackets } from '../base/openpgp-packets.ts';
import {
  asArray,
  asBytes,
  decodeVariant,
  encodeVariant,
  type Variant,
  type VariantValue,
  variantMap,
} from './gvariant.ts';

/**
 * Where OSTree keeps OpenPGP signatures: `summary.sig` and a commit's `.commitmeta` are dictionaries of type `a{sv}`, in
 * which `ostree.gpgsigs` (`aay`) holds binary detached signatures (ostree-repo.c, `_OSTREE_METADATA_GPGSIGS_NAME`).
 */
const FORMAT = 'a{sv}';
const KEY = 'ostree.gpgsigs';
/** Signatures without OpenPGP (ostree-sign-ed25519.c). */
const ED25519 = 'ostree.sign.ed25519';

/**
 * Returns the dictionary with each signature packet of a detached signature in it, beside those that are there already
 * and whatever else it holds.
 * @param before undefined: a new one
 */
export function withSignature(before: Uint8Array | undefined, signature: Uint8Array): Uint8Array {
  const entries = before ? variantMap(decodeVariant(FORMAT, before)) : new Map<string, Variant>();
  const there = signaturesOf(entries);
  const added = signaturePackets(signature).filter((packet) => !there.some((one) => Buffer.from(one).equals(packet)));
  if (before && added.length === 0) return before;
  entries.set(KEY, { type: 'aay', value: [...there, ...added] });
  return encodeVariant(
    FORMAT,
    [...entries].map(([key, value]): VariantValue => [key, value]),
  );
}

/** Returns the OpenPGP signatures in such a dictionary; none when the bytes are not one. */
export function signaturesIn(bytes: Uint8Array): Uint8Array[] {
  return signaturesUnder(KEY, bytes);
}

/** Returns the ed25519 signatures in such a dictionary; none when the bytes are not one. */
export function ed25519SignaturesIn(bytes: Uint8Array): Uint8Array[] {
  return signaturesUnder(ED25519, bytes);
}

function signaturesUnder(key: string, bytes: Uint8Array): Uint8Array[] {
  try {
    const found = variantMap(decodeVariant(FORMAT, bytes)).get(key);
    return found?.type === 'aay' ? asArray(found.value).map(asBytes) : [];
  } catch {
    return [];
  }
}

/**
 * Returns a commit's detached metadata with what other such metadata has besides: signatures of every kind are put together,
 * any other key that both have stays as it is in `before`. Equal metadata gives `before` itself.
 * @throws Error when either is no such dictionary.
 */
export function mergedDetached(before: Uint8Array, added: Uint8Array): Uint8Array {
  const entries = variantMap(decodeVariant(FORMAT, before));
  let changed = false;
  for (const [key, variant] of variantMap(decodeVariant(FORMAT, added))) {
    const there = entries.get(key);
    if (there?.type === 'aay' && variant.type === 'aay') {
      const old = asArray(there.value).map(asBytes);
      const more = asArray(variant.value)
        .map(asBytes)
        .filter((one) => !old.some((other) => Buffer.from(other).equals(one)));
      if (more.length === 0) continue;
      entries.set(key, { type: 'aay', value: [...old, ...more] });
    } else if (there === undefined) entries.set(key, variant);
    else continue;
    changed = true;
  }
  if (!changed) return before;
  return encodeVariant(
    FORMAT,
    [...entries].map(([key, value]): VariantValue => [key, value]),
  );
}

/** Whether detached metadata holds a signature of a kind that ostree knows; what is no such metadata holds none. */
export function hasSignature(bytes: Uint8Array | undefined): boolean {
  return bytes !== undefined && [KEY, ED25519].some((key) => signaturesUnder(key, bytes).length > 0);
}

function signaturesOf(entries: ReadonlyMap<string, Variant>): Uint8Array[] {
  const found = entries.get(KEY);
  return found?.type === 'aay' ? asArray(found.value).map(asBytes) : [];
}
