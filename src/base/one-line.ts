/** Returns a value that others chose, as text on one line: without line breaks, control and direction characters. */
export function oneLine(value: unknown): string {
  return String(value).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
}

/**
 * Returns text of several lines, made harmless for a terminal: line breaks and tabs stay; what moves a cursor, changes a title or
 * turns the direction of writing becomes a blank.
 */
export function harmlessLines(text: string): string {
  return text.replace(/(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
}

/**
 * Returns JSON with control and direction characters as escapes: a terminal shows it as it is, and it has the same values.
 * @param unicode false: all that is not ASCII, too
 */
export function harmlessJson(json: string, unicode = true): string {
  const foreign = unicode ? /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu : /[^\n\x20-\x7e]/gu;
  return json.replace(foreign, (found) =>
    Array.from({ length: found.length }, (_, at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, '0')}`).join(
      '',
    ),
  );
}

/** Whether a text has characters that nobody types on purpose: control and direction characters. */
export function hasControlCharacters(text: string): boolean {
  return /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text);
}

/**
 * Returns the first line of a message; where that line introduces a list, with what is first in it and how many more there
 * are, as in `Packages not found: hostnam (my.yaml:9), and 2 more`.
 */
export function gistOf(message: string): string {
  const [first = '', second, ...more] = message.split('\n');
  if (second === undefined || !first.endsWith(':')) return first;
  return `${first} ${second.trim()}${more.length === 0 ? '' : `, and ${more.length} more`}`;
}
