import { NightlyError } from '../../base/errors.ts';
import { swap64, type Variant } from '../../ostree/gvariant.ts';
import type { JsonValue } from '../../treefile/shapes.ts';

/** Returns a string in GVariant's text format. */
export function gvariantText(text: string): string {
  const escaped = text.replace(/[\\'\p{Cc}]/gu, (character) =>
    character === '\\' || character === "'"
      ? `\\${character}`
      : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `'${escaped}'`;
}

/**
 * Returns a JSON value with the types json-glib gives it, as rpm-ostree reads metadata: strings `s`, whole numbers `x`,
 * others `d`, booleans `b`, null `mv`, lists `av`, maps `a{sv}`. Whatever is in a commit is big-endian, so that clients
 * of any byte order read it. Not in the text format, whose reader takes most fractions with their bytes turned around
 * for too small.
 * @throws NightlyError `unsupported` for one of few fractions that are no number with their bytes turned around.
 */
export function variantOfJson(value: JsonValue): Variant {
  if (value === null) return { type: 'mv', value: null };
  if (typeof value === 'string') return { type: 's', value };
  if (typeof value === 'boolean') return { type: 'b', value };
  if (typeof value === 'number') return Number.isSafeInteger(value) ? wholeNumber(value) : fraction(value);
  if (isList(value)) return { type: 'av', value: value.map(variantOfJson) };
  return { type: 'a{sv}', value: Object.entries(value).map(([key, item]) => [key, variantOfJson(item)]) };
}

function wholeNumber(value: number): Variant {
  return { type: 'x', value: swap64(BigInt(value)) };
}

function fraction(value: number): Variant {
  const swapped = Buffer.from(new Float64Array([value]).buffer).readDoubleBE();
  // JavaScript may change the bytes of what is not a number.
  if (!Number.isNaN(swapped)) return { type: 'd', value: swapped };
  throw new NightlyError('unsupported', `The number ${value} of add-commit-metadata cannot be written into a commit.`, {
    hint: 'Write it as a string.',
  });
}

const isList = (value: JsonValue): value is readonly JsonValue[] => Array.isArray(value);
