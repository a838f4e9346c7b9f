/** A string, with what is inside its quotes and the colon behind that of a key; or a bracket. */
const TOKEN = /"((?:[^"\\]|\\.)*)"\s*(:?)|[{}]/g;

/**
 * Returns a key that one object of a JSON text has twice; undefined when there is none. Of two values JSON.parse takes the last
 * and others the first, so that two readers of one record, or of one that is signed, would not read the same.
 * @param json a text that JSON.parse has accepted
 */
export function keyTwice(json: string): string | undefined {
  const open: Set<string>[] = [];
  for (const [token, text = '', colon] of json.matchAll(TOKEN)) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if (colon === ':') {
      const key: string = text.includes('\\') ? unescaped(text) : text;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}

const unescaped = (text: string): string => String(JSON.parse(`"${text}"`));
