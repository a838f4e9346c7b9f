import { NightlyError } from '../base/errors.ts';
import { hasControlCharacters } from '../base/one-line.ts';

/**
 * Text that somebody typed and that others will read, in a terminal, a mail, a page: a name, a reason.
 * @throws NightlyError `usage` when it has line breaks, control or direction characters.
 */
export function refuseControlCharacters(options: Readonly<Record<string, string | undefined>>): void {
  for (const [name, text] of Object.entries(options)) {
    if (text === undefined || !hasControlCharacters(text)) continue;
    throw new NightlyError('usage', `--${name} has a line break or another control character in it.`, {
      hint: 'Others read it in terminals, mails and pages: write it as plain text on one line.',
    });
  }
}
