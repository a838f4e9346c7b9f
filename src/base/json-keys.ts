/**
 * Returns a key that one object of a JSON text has twice; undefined when there is none. Of two values JSON.parse takes the last
 * and others the first, so that two readers of one record, or of one that is signed, would not read the same.
 * @param json a text that JSON.parse has accepted
 * @param value what it made of it, not nested very deep
 */
export function keyTwice(json: string, value: unknown): string | undefined {
  // Where each colon behind a quote is that of a key in the value, none was lost: nearly always, and soon known.
  if (colonsIn(json) === keysIn(value)) return undefined;
  const open: Set<string>[] = [];
  for (let at = 0; at < json.length; at += 1) {
    const char = json[at];
    if (char === '{') open.push(new Set());
    else if (char === '}') open.pop();
    else if (char === '"') {
      const end = endOfString(json, at);
      if (isKey(json, end)) {
        const key = String(JSON.parse(json.slice(at, end + 1)));
        if (open.at(-1)?.has(key)) return key;
        open.at(-1)?.add(key);
      }
      at = end;
    }
  }
  return undefined;
}

const [TAB, LINE_FEED, RETURN, BLANK, QUOTE] = [0x09, 0x0a, 0x0d, 0x20, 0x22];
const isSpace = (code: number): boolean => code === BLANK || code === LINE_FEED || code === RETURN || code === TAB;

/** How many colons have a quote before them: those of all keys, and some within strings. */
function colonsIn(json: string): number {
  let count = 0;
  for (let at = json.indexOf(':'); at >= 0; at = json.indexOf(':', at + 1)) {
    let before = at - 1;
    while (isSpace(json.charCodeAt(before))) before -= 1;
    if (json.charCodeAt(before) === QUOTE) count += 1;
  }
  return count;
}

/** Levels that are counted by calls within calls. */
const DEEPEST = 200;

/**
 * How many keys a value has in all; NaN for one that is too deep to count. It makes no lists on the way: thousands of records are
 * read when a service starts.
 */
function keysIn(value: unknown, depth = 0): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (depth > DEEPEST) return Number.NaN;
  let count = 0;
  if (Array.isArray(value)) for (const one of value) count += keysIn(one, depth + 1);
  else for (const key of Object.keys(value)) count += 1 + keysIn(Reflect.get(value, key), depth + 1);
  return count;
}

/** @param at the place of its first quote */
function endOfString(json: string, at: number): number {
  for (let end = json.indexOf('"', at + 1); ; end = json.indexOf('"', end + 1)) {
    let before = end - 1;
    while (json[before] === '\\') before -= 1;
    if ((end - before) % 2 === 1) return end;
  }
}

/** @param end the place of a string's last quote */
function isKey(json: string, end: number): boolean {
  let next = end + 1;
  while (isSpace(json.charCodeAt(next))) next += 1;
  return json[next] === ':';
}
