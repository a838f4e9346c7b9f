import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import Handlebars from 'handlebars';
import { NightlyError } from '../../errors.ts';

/** The image types and boot files that come with the program. */
export const SHIPPED_TEMPLATES = fileURLToPath(new URL('../../../image-templates/', import.meta.url));

/** What templates can name: `{{version}}`. */
export type TemplateValues = Readonly<Record<string, string | number>>;

/** Absolute path of a file below image-templates/. */
export function templatePath(name: string): string {
  return `${SHIPPED_TEMPLATES}${name}`;
}

/** Fills in a template of image-templates/. @throws NightlyError `image` */
export async function renderTemplate(name: string, values: TemplateValues): Promise<string> {
  return renderText(await readFile(templatePath(name), 'utf8'), templatePath(name), values);
}

/**
 * Fills in the text of a template. Nothing is escaped: these are configuration files, not HTML. A name that the values
 * lack is an error, for an empty place in a boot configuration is found only when a machine does not boot. Lines keep
 * their numbers.
 * @param file where the text is from, for messages
 * @throws NightlyError `image` with the place
 */
export function renderText(text: string, file: string, values: TemplateValues): string {
  try {
    return Handlebars.compile(text, { strict: true, noEscape: true, ignoreStandalone: true })(values);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const [, unknown, line, column] = /^"(.*)" not defined in .* - (\d+):(\d+)$/s.exec(message) ?? [];
    const syntaxLine = /^Parse error on line (\d+)/.exec(message)?.[1];
    const what = unknown === undefined ? message.split('\n').join(' ') : `there is no value "${unknown}"`;
    throw new NightlyError('image', `A template cannot be filled in: ${what}.`, {
      hint: `Values that can be used: ${Object.keys(values).toSorted().join(', ')}.`,
      place: {
        file,
        ...(line === undefined && syntaxLine === undefined ? {} : { line: Number(line ?? syntaxLine) }),
        ...(column === undefined ? {} : { column: Number(column) + 1 }),
      },
      cause: error,
    });
  }
}
