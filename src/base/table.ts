import { seenLength, toned } from './tone.ts';

/**
 * Returns the lines of a table: cells of a column begin below each other, and its header is set off where there are colours.
 * @param rows the header first, all of one length
 */
export function tableLines(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => seenLength(row[column] ?? ''))));
  return rows.map((row, index) => {
    const line = row
      .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - seenLength(cell)))
      .join('  ')
      .trimEnd();
    return index === 0 ? toned('head', line) : line;
  });
}
