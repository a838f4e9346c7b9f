import { readRegular } from '../../base/files.ts';
import { fillIn } from '../../base/fill-in.ts';
import { oneLine } from '../../base/one-line.ts';
import { redact } from '../../base/redact.ts';
import { SHIPPED } from '../../base/shipped.ts';
import { templateValues } from './describe.ts';
import type { BuildEvent } from './event.ts';

/** A value longer than this is cut: some names and messages come from others. */
const LONGEST = 500;

/**
 * Returns an event as plain text or as HTML. A template cannot make a value dangerous: each is on one line, without
 * control and direction characters, and in HTML escaped unless the template says `{{{ }}}`.
 * @param own a template of the project's own
 * @throws NightlyError `config` with the template's file and line.
 */
export async function renderEvent(
  event: BuildEvent,
  format: 'text' | 'html',
  own: string | undefined,
): Promise<string> {
  const file = own ?? `${SHIPPED.notify}${format === 'html' ? 'matrix.html.hbs' : 'message.txt.hbs'}`;
  const origin = { file, code: 'config', ...(format === 'html' ? { format } : {}) } as const;
  const text = fillIn(
    (await readRegular(file)).toString('utf8'),
    harmless(templateValues(event)) as object,
    origin,
    true,
  );
  return `${redact(text)
    .replace(/\n{3,}/g, '\n\n')
    .trim()}\n`;
}

/** Text for a header or a line. */
export function harmlessLine(text: string): string {
  const line = redact(oneLine(text)).trim();
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
}

/** The same with every text in it on one line and not too long. */
function harmless(value: unknown): unknown {
  if (typeof value === 'string') return harmlessLine(value);
  if (Array.isArray(value)) return value.map(harmless);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, harmless(one)]));
  return value;
}
