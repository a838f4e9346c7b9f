import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import Handlebars from 'handlebars';
import { NightlyError } from '../errors.ts';

const FOLDER = fileURLToPath(new URL('../../image-templates/', import.meta.url));

/** Absolute path of a file below image-templates/. */
export function templatePath(name: string): string {
  return `${FOLDER}${name}`;
}

/**
 * Fills in a template of image-templates/. Nothing is escaped: these are configuration files, not HTML. A name that
 * the values lack is an error, for an empty place in a boot configuration is found only when a machine does not boot.
 * @throws NightlyError `image`
 */
export async function renderTemplate(name: string, values: Readonly<Record<string, string | number>>): Promise<string> {
  try {
    const source = await readFile(templatePath(name), 'utf8');
    return Handlebars.compile(source, { strict: true, noEscape: true })(values);
  } catch (error) {
    throw new NightlyError('image', `The template image-templates/${name} cannot be filled in: ${String(error)}`, {
      hint: 'Correct the template; only the values that src/images passes can be used in it.',
      place: { file: templatePath(name) },
      cause: error,
    });
  }
}
