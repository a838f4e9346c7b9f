import { createLinks, type Links } from './links.ts';

/** What every page has: the values of the template `layout`. */
export interface PageView {
  /** Title of the window. */
  readonly title: string;
  readonly product: string;
  readonly links: Links;
  /** Names of assets that it loads; all of it can be read without them. */
  readonly scripts: readonly string[];
}

/** @param depth folders below the top @param live see `createLinks` */
export function pageView(
  product: string,
  title: string,
  { depth, live }: { readonly depth: number; readonly live: boolean },
): PageView {
  const whole = title.includes(product) ? title : `${title} – ${product}`;
  return { product, title: whole, links: createLinks(depth, live), scripts: live ? ['copy.js', 'live.js'] : [] };
}
