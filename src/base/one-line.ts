/** Returns a value that others chose, as text on one line: without line breaks, control and direction characters. */
export function oneLine(value: unknown): string {
  return String(value).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
}
