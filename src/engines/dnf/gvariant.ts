import type { JsonValue } from '../../treefile/shapes.ts';

/** A string in GVariant's text format. */
export function gvariantText(text: string): string {
  const escaped = text.replace(/[\\'\p{Cc}]/gu, (character) =>
    character === '\\' || character === "'"
      ? `\\${character}`
      : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `'${escaped}'`;
}

/**
 * A JSON value in GVariant's text format with the types json-glib gives it, as rpm-ostree reads metadata: strings `s`, whole
 * numbers `x`, others `d`, booleans `b`, null `mv`, lists `av`, maps `a{sv}`.
 */
export function gvariantOfJson(value: JsonValue): string {
  if (value === null) return '@mv nothing';
  if (typeof value === 'string') return gvariantText(value);
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return Number.isSafeInteger(value) ? `int64 ${value}` : `double ${value}`;
  if (isList(value)) return `@av [${value.map((item) => `<${gvariantOfJson(item)}>`).join(', ')}]`;
  const entries = Object.entries(value).map(([key, item]) => `${gvariantText(key)}: <${gvariantOfJson(item)}>`);
  return `@a{sv} {${entries.join(', ')}}`;
}

const isList = (value: JsonValue): value is readonly JsonValue[] => Array.isArray(value);
