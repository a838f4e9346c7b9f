import { formatPlace, type NightlyError } from '../base/errors.ts';
import { harmlessJson } from '../base/one-line.ts';
import { isUnicode } from '../base/output.ts';
import { toned } from '../base/tone.ts';

/** Writes one line, or several, to standard output. */
export type Printer = (text: string) => void;

/** A value as JSON for scripts. */
export function printJson(value: unknown, print: Printer): void {
  print(harmlessJson(JSON.stringify(value, null, 2), isUnicode()));
}

/** Returns an error for people: what and why, where, what to do next, and the log with the rest. */
export function formatError(error: NightlyError): string {
  const lines = [`${toned('bad', 'error:')} ${error.place ? `${formatPlace(error.place)}: ` : ''}${error.message}`];
  if (error.hint) lines.push(`  what to do: ${error.hint}`);
  if (error.log) lines.push(`  log: ${error.log}`);
  return lines.join('\n');
}
