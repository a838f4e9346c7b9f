import type { z } from 'zod';
import { NightlyError } from './errors.ts';
import { oneLine } from './one-line.ts';

/** One kind of record. */
export interface RecordFormat<Value> {
  /** Checks without changing anything: what is read is handed on as it is, with the keys that are not known here. */
  readonly schema: z.ZodType<Value>;
  /** What to do about one that is damaged. */
  readonly hint: string;
}

/** Deeper nesting is nobody's record; writing it again would overflow the stack. */
const MAX_DEPTH = 64;

/** So many faults of one record are named. */
const NAMED = 5;

/**
 * Reads a record that somebody wrote earlier, here or elsewhere, and that is not believed before it was parsed. Keys keep
 * their order, so that a record that is written again differs only in what changed.
 * @param place the file, with its target where it is on one, for messages
 * @throws NightlyError `record` when it is empty, cut short, or not of that format, naming all that is wrong with it.
 */
export function readRecord<Value>(content: string | Uint8Array, format: RecordFormat<Value>, place: string): Value {
  const json = parseJson(content, format, place);
  if (conforms(format, json)) return json;
  const { error } = format.schema.safeParse(json);
  throw damaged(place, reasons(error), format.hint, error);
}

/** As `readRecord`, but undefined for a record that is damaged: for those who look in several places. */
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
    ...(cause === undefined ? {} : { cause }),
  });
}

function conforms<Value>({ schema }: RecordFormat<Value>, json: unknown): json is Value {
  return schema.safeParse(json).success;
}

function parseJson(content: string | Uint8Array, { hint }: RecordFormat<unknown>, place: string): unknown {
  const text = typeof content === 'string' ? content : new TextDecoder().decode(content);
  if (text.trim() === '') throw damaged(place, 'it is empty', hint);
  if (depthOf(text) > MAX_DEPTH) throw damaged(place, `it is nested more than ${MAX_DEPTH} deep`, hint);
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
  if (/__proto__|\\u/.test(text) && hasProtoKey(value)) throw damaged(place, 'it has a key "__proto__"', hint);
  return value;
}

/** Schemas do not look at such a key, while `Object.values` gives what is there. Depth is bounded by now. */
function hasProtoKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, '__proto__') || Object.values(value).some(hasProtoKey);
}

/** How deep brackets are nested, those in strings apart. */
function depthOf(text: string): number {
  let [depth, deepest, inString] = [0, 0, false];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (inString) {
      if (code === 0x5c) at += 1;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x7b || code === 0x5b) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (code === 0x7d || code === 0x5d) depth -= 1;
  }
  return deepest;
}

function reasons(error: z.ZodError | undefined): string {
  const issues = error?.issues ?? [];
  const named = issues.slice(0, NAMED).map(({ path, message }) => {
    const where = path.map((part) => oneLine(String(part)).slice(0, 80)).join(' > ');
    return where === '' ? oneLine(message) : `${where}: ${oneLine(message)}`;
  });
  const more = issues.length > NAMED ? [`and ${issues.length - NAMED} more`] : [];
  return [...named, ...more].join('; ');
}
