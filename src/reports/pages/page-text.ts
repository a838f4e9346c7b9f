import { stripVTControlCharacters } from 'node:util';

/** Control, format (direction marks among them) and lone surrogate characters, line separators, and what XML forbids. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\uFFFE\uFFFF]/gu;

/**
 * Returns a text that others chose, as a page may show it: what could reorder or hide text around it, or break an XML
 * reader, is shown as U+FFFD. Line breaks and tabs stay. Markup is the business of the templates, which escape every
 * value.
 */
export function visibleText(text: string): string {
  return text.replace(INVISIBLE, (character) => (character === '\n' || character === '\t' ? character : '\uFFFD'));
}

/** `visibleText` for every text in a value, keys apart: what a template is given. */
export function visibleView<View>(view: View): View {
  if (typeof view === 'string') return visibleText(view) as View;
  if (Array.isArray(view)) return view.map(visibleView) as View;
  if (view === null || typeof view !== 'object') return view;
  return Object.fromEntries(Object.entries(view).map(([key, value]) => [key, visibleView(value)])) as View;
}

/** Returns what a program printed: without colours, and with each redrawn line of a progress bar on its own. */
export function plainLog(text: string): string {
  return stripVTControlCharacters(text).replace(/\r\n?/g, '\n');
}
