import type { z } from 'zod';
import { NightlyError } from './errors.ts';
import { type FormatVersion, refuseNewer } from './format-versions.ts';
import { keyTwice } from './json-keys.ts';
import { oneLine } from './one-line.ts';
import { MOST_READ_BYTES } from './read-limit.ts';
import { type Inside, keyCodec } from './record-keys.ts';
import { expectation } from './yaml/yaml-faults.ts';

/** One kind of record. */
export interface RecordFormat<Value> {
  /** Checks what is stored without changing anything; keys that are not known here are handed on. */
  readonly schema: z.ZodType;
  /** What to do about one that is damaged. */
  readonly hint: string;
  /** Where it has its version; undefined for a format of others, or one that has none. */
  readonly version?: FormatVersion | undefined;
  /** Returns what the schema has passed, with the keys that it has inside. */
  decode(stored: unknown): Value;
  /** Returns a value with the keys that are stored. */
  encode(value: Value): object;
}

/** What a format has inside. */
export type RecordOf<Format> = Format extends RecordFormat<infer Value> ? Value : never;

/** Returns the format of what a schema passes. It must not change what it checks. */
export function recordFormat<Schema extends z.ZodType>({
  schema,
  hint,
  version,
}: {
  readonly schema: Schema;
  readonly hint: string;
  readonly version?: FormatVersion;
}): RecordFormat<Inside<z.output<Schema>>> {
  const codec = keyCodec(schema);
  return {
    schema,
    hint,
    version,
    // The codec follows the schema as the types do; a record is an object or a list.
    decode: (stored) => (codec ? codec.decode(stored) : stored) as Inside<z.output<Schema>>,
    encode: (value) => (codec ? codec.encode(value) : value) as object,
  };
}

/** Returns the text of a record as it is written: indented by two spaces, with a newline at its end. */
export function recordText<Value>(value: Value, format: RecordFormat<Value>): string {
  return `${JSON.stringify(format.encode(value), null, 2)}\n`;
}

/** Deeper nesting is nobody's record; writing it again would overflow the stack. */
const MAX_DEPTH = 64;

/** So many faults of one record are named. */
const NAMED = 5;

/**
 * Reads a record that somebody wrote earlier, here or elsewhere, and that is not believed before it was parsed. Keys keep
 * their order, so that a record that is written again differs only in what changed.
 * @param place the file, with its target where it is on one, for messages
 * @throws NightlyError `record` when it is empty, cut short, or not of that format, naming all that is wrong with it; and when a
 *   newer version of this program wrote it.
 */
export function readRecord<Value>(content: string | Uint8Array, format: RecordFormat<Value>, place: string): Value {
  const json = parseJson(content, format, place);
  if (format.version) refuseNewer(json, format.version, place);
  const { error } = format.schema.safeParse(json);
  if (error) throw damaged(place, reasons(error), format.hint, error);
  return format.decode(json);
}

/** Reads as `readRecord` does, but returns undefined for a damaged record: for callers that look in several places. */
export function readRecordIfGood<Value>(
  content: string | Uint8Array | undefined,
  format: RecordFormat<Value>,
): Value | undefined {
  if (content === undefined) return undefined;
  try {
    return readRecord(content, format, '');
  } catch {
    return undefined;
  }
}

/** What to throw for a record that cannot be used. @param why as a part of a sentence: `it is empty` */
export function damaged(place: string, why: string, hint: string, cause?: unknown): NightlyError {
  return new NightlyError('record', `${place} is damaged: ${why}.`, {
    hint,
    cause,
  });
}

function parseJson(
  content: string | Uint8Array,
  { hint }: Pick<RecordFormat<unknown>, 'hint'>,
  place: string,
): unknown {
  const text = textOf(content, hint, place);
  if (text.trim() === '') throw damaged(place, 'it is empty', hint);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(
      place,
      `it is not JSON (${oneLine(error instanceof Error ? error.message : error).slice(0, 200)})`,
      hint,
      error,
    );
  }
  const fault = faultWithin(value, MAX_DEPTH);
  if (fault !== undefined) throw damaged(place, fault, hint);
  if (/__proto__|\\u/.test(text) && hasProtoKey(value)) throw damaged(place, 'it has a key "__proto__"', hint);
  const twice = keyTwice(text, value);
  if (twice !== undefined) throw damaged(place, `it has the key ${oneLine(JSON.stringify(twice))} twice`, hint);
  return value;
}

/** Somebody's editor may have put a byte order mark in front; JSON has none (RFC 8259, section 8.1). */
function textOf(content: string | Uint8Array, hint: string, place: string): string {
  if (content.length > MOST_READ_BYTES) throw damaged(place, `it has ${content.length} bytes, as no record has`, hint);
  if (typeof content === 'string') return content.replace(/^\ufeff/, '');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch (error) {
    throw damaged(place, 'it is not UTF-8', hint, error);
  }
}

/** Schemas do not look at such a key, while `Object.values` gives what is there. Depth is bounded by now. */
function hasProtoKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, '__proto__') || Object.values(value).some(hasProtoKey);
}

/**
 * Returns why a value cannot be written again as it was read, as a part of a sentence: it is nested too deep, or a number of it is
 * Infinity here. The parser itself calls nothing within calls, so it reads any depth.
 */
function faultWithin(value: unknown, depth: number): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'it has a number that is too large';
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth === 0) return `it is nested more than ${MAX_DEPTH} deep`;
  if (Array.isArray(value)) {
    for (const one of value) {
      const fault = faultWithin(one, depth - 1);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
  for (const key in value) {
    const fault = faultWithin(Reflect.get(value, key), depth - 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Returns what is wrong with a record, the first few faults each with its place in it, as a part of a sentence. */
export function reasons(error: z.ZodError | undefined): string {
  const issues = error?.issues ?? [];
  const named = issues.slice(0, NAMED).map((issue) => {
    const where = issue.path.map((part) => oneLine(String(part)).slice(0, 80)).join(' > ');
    const why = oneLine(reason(issue));
    return where === '' ? why : `${where}: ${why}`;
  });
  const more = issues.length > NAMED ? [`and ${issues.length - NAMED} more`] : [];
  return [...named, ...more].join('; ');
}

/** Returns what one check says, in words for people: the schema library's own speak of types. */
function reason(issue: z.core.$ZodIssue): string {
  // A format that has words of its own for it knows better.
  if (!/^(?:Invalid (?:input|option)|Too (?:small|big))/.test(issue.message)) return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      return issue.message.endsWith('received undefined') ? 'it is missing' : `must be ${expectation(issue)}`;
    case 'invalid_value':
      return `must be ${expectation(issue)}`;
    case 'too_small':
      return issue.origin === 'number' || issue.origin === 'int' ? `must be at least ${issue.minimum}` : 'is too short';
    case 'too_big':
      return issue.origin === 'number' || issue.origin === 'int' ? `must be at most ${issue.maximum}` : 'is too long';
    case 'invalid_union':
      return 'is of no known form';
    default:
      return issue.message;
  }
}
