import { readFile } from 'node:fs/promises';
import { fillIn } from '../../base/fill-in.ts';
import { kickstartText, plainShellWord, yamlText } from '../../base/quoting.ts';
import { SHIPPED } from '../../base/shipped.ts';

/** The image types and boot files that come with the program. */

/** What templates can name: `{{version}}`. */
export type TemplateValues = Readonly<Record<string, string | number>>;

/** What templates can call on a value: `{{sh url}}`, `{{kickstart arguments}}`, `{{yaml name}}`. */
const QUOTING = {
  sh: (value: unknown) => plainShellWord(String(value)),
  kickstart: (value: unknown) => kickstartText(String(value)),
  yaml: (value: unknown) => yamlText(String(value)),
};

/** Absolute path of a file below image-templates/. */
export function templatePath(name: string): string {
  return `${SHIPPED.images}${name}`;
}

/** Fills in a template of image-templates/. @throws NightlyError `image` */
export async function renderTemplate(name: string, values: TemplateValues): Promise<string> {
  return renderText(await readFile(templatePath(name), 'utf8'), templatePath(name), values);
}

/**
 * Fills in the text of a template; lines keep their numbers.
 * @param file where the text is from, for messages
 * @throws NightlyError `image` with the place
 */
export function renderText(text: string, file: string, values: TemplateValues): string {
  return fillIn(text, values, { file, code: 'image', helpers: QUOTING });
}
