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

/** Returns the signatures in such a dictionary; none when the bytes are not one. */
export function signaturesIn(bytes: Uint8Array): Uint8Array[] {
  try {
    return signaturesOf(variantMap(decodeVariant(FORMAT, bytes)));
  } catch {
    return [];
  }
}

function signaturesOf(entries: ReadonlyMap<string, Variant>): Uint8Array[] {
  const found = entries.get(KEY);
  return found?.type === 'aay' ? asArray(found.value).map(asBytes) : [];
}
