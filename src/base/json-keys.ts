/**
 * Returns a key that one object of a JSON text has twice; undefined when there is none. Of two values JSON.parse takes the last
 * and others the first, so that two readers of one record, or of one that is signed, would not read the same.
 * @param json a text that JSON.parse has accepted
 * @param value what it made of it
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

const SPACE = new Set([' ', '\t', '\n', '\r']);

/** How many colons have a quote before them: those of all keys, and some within strings. */
function colonsIn(json: string): number {
  let count = 0;
  for (let at = json.indexOf(':'); at >= 0; at = json.indexOf(':', at + 1)) {
    let before = at - 1;
    while (SPACE.has(json[before] ?? '')) before -= 1;
    if (json[before] === '"') count += 1;
  }
  return count;
}

function keysIn(value: unknown): number {
  let count = 0;
  const todo = [value];
  while (todo.length > 0) {
    const one = todo.pop();
    if (typeof one !== 'object' || one === null) continue;
    const inside: unknown[] = Object.values(one);
    if (!Array.isArray(one)) count += inside.length;
    for (const each of inside) todo.push(each);
  }
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
  while (SPACE.has(json[next] ?? '')) next += 1;
  return json[next] === ':';
}
