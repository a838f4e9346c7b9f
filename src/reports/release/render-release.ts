import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readRegular } from '../../base/files.ts';
import { fillIn } from '../../base/fill-in.ts';
import { oneLine } from '../../base/one-line.ts';
import { markdownCell } from '../../base/quoting.ts';
import { SHIPPED } from '../../base/shipped.ts';
import type { ReleaseFacts } from './facts.ts';

/** The texts of a release, by the file each is written to; the template of each is its name with `.hbs`. */
export const RELEASE_TEXTS = ['notes.md', 'wiki', 'announcement.txt'] as const;

/**
 * For values that others chose (names of packages and keys): on one line, and without what would be markup there. In
 * templates `{{cell x}}` is for Markdown, `{{wiki x}}` for MoinMoin, `{{line x}}` for plain text.
 */
const HELPERS = {
  line: oneLine,
  cell: markdownCell,
  wiki: (value: unknown) => {
    const text = oneLine(value).replaceAll('`', "'");
    // Two bars without anything in between would span the next cell.
    return text === '' ? ' ' : `\`${text}\``;
  },
  // Handlebars has a meaning of its own for three braces, which MoinMoin wants around code.
  braces: (value: unknown) => (value === 'open' ? '{{{' : '}}}'),
};

/**
 * Fills in one text of a release.
 * @param own folder with templates of the project's own, looked at first
 * @throws NightlyError `config` with the template's file and line.
 */
export async function renderRelease(
  name: (typeof RELEASE_TEXTS)[number],
  facts: ReleaseFacts,
  own: string | undefined,
): Promise<string> {
  const mine = own === undefined ? undefined : join(own, `${name}.hbs`);
  const file = mine !== undefined && existsSync(mine) ? mine : join(SHIPPED.release, `${name}.hbs`);
  const text = fillIn(
    (await readRegular(file)).toString('utf8'),
    facts,
    { file, code: 'config', helpers: HELPERS },
    true,
  );
  return `${text.replace(/\n{3,}/g, '\n\n').trim()}\n`;
}
