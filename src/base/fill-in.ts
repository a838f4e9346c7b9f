import Handlebars from 'handlebars';
import { type ErrorCode, NightlyError } from './errors.ts';

/** Where the text of a template is from, and what a fault in it is called. */
export interface TemplateOrigin {
  readonly file: string;
  readonly code: ErrorCode;
  /** What is made of it: HTML, where every value is escaped unless the template says otherwise; default: text. */
  readonly format?: 'html';
  /** Called in a template as `{{name value}}`. */
  readonly helpers?: Readonly<Record<string, (value: unknown) => string>>;
}

/**
 * Fills in the text of a template. In text nothing is escaped but what the template says. A name that the values lack is an
 * error, for an empty place in a boot configuration is found only when a machine does not boot.
 * @param alone whether tags on a line of their own leave no empty line; without it, lines keep their numbers
 * @throws NightlyError with the place
 */
export function fillIn(text: string, values: object, origin: TemplateOrigin, alone = false): string {
  const { file, code, format, helpers = {} } = origin;
  const handlebars = Handlebars.create();
  for (const [name, helper] of Object.entries(helpers)) handlebars.registerHelper(name, helper);
  try {
    return handlebars.compile(text, { strict: true, noEscape: format !== 'html', ignoreStandalone: !alone })(values);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const [, unknown, line, column] = /^"(.*)" not defined in .* - (\d+):(\d+)$/s.exec(message) ?? [];
    const syntaxLine = /^Parse error on line (\d+)/.exec(message)?.[1];
    const what = unknown === undefined ? message.split('\n').join(' ') : `there is no value "${unknown}"`;
    throw new NightlyError(code, `A template cannot be filled in: ${what}.`, {
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
