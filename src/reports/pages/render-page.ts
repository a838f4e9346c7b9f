import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Handlebars from 'handlebars';
import { SHIPPED } from '../../base/shipped.ts';
import { visibleView } from './page-text.ts';

/** Files that pages refer to, below `assets/`, with their types. */
export const ASSETS: Readonly<Record<string, string>> = {
  'style.css': 'text/css; charset=utf-8',
  'copy.js': 'text/javascript; charset=utf-8',
  'live.js': 'text/javascript; charset=utf-8',
  'search.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
};

/** Returns an asset's content; undefined when there is none of that name. */
export function readAsset(name: string): Buffer | undefined {
  return Object.hasOwn(ASSETS, name) ? readFileSync(join(SHIPPED.pages, 'assets', name)) : undefined;
}

let loaded: ((name: string, view: object) => string) | undefined;

/**
 * Fills in a template of `page-templates/`, by its name without `.hbs`. Every value is escaped, for HTML as for XML, and a
 * value that the view lacks is an error. There is no way for markup to get through: no template has `{{{`.
 */
export function render(name: string, view: object): string {
  loaded ??= load();
  return loaded(name, visibleView(view));
}

function load(): (name: string, view: object) => string {
  const handlebars = Handlebars.create();
  const options = { strict: true } as const;
  // Without their last line break: some stand in the middle of a sentence.
  for (const file of templatesIn('partials')) {
    handlebars.registerPartial(nameOf(file), read('partials', file).trimEnd());
  }
  const templates = new Map(templatesIn('').map((file) => [nameOf(file), handlebars.compile(read('', file), options)]));
  return (name, view) => {
    const template = templates.get(name);
    if (!template) throw new Error(`page-templates has no ${name}.hbs`);
    return template(view);
  };
}

const templatesIn = (folder: string): string[] =>
  readdirSync(join(SHIPPED.pages, folder)).filter((file) => file.endsWith('.hbs'));
const read = (folder: string, file: string): string => readFileSync(join(SHIPPED.pages, folder, file), 'utf8');
const nameOf = (file: string): string => file.slice(0, -'.hbs'.length);
