import { formatBytes } from '../../base/format.ts';
import { brandOf } from '../../reports/pages/brand.ts';
import { pageView } from '../../reports/pages/page.ts';
import { visibleText } from '../../reports/pages/page-text.ts';
import { findLog } from './current-run.ts';
import type { WebContext } from './live-context.ts';
import { viewLog } from './log-lines.ts';

/** Characters that can be searched for. */
const LONGEST = 200;

/** What of a log is asked for, as the address has it. */
interface LogAddress {
  readonly id: string;
  readonly step: string;
  readonly query: string | undefined;
  readonly line: string | undefined;
}

/** Returns the page of a log: the values of the template `log`; undefined when there is no such log. */
export async function logPage({ config, work }: WebContext, { id, step, query = '', line = '' }: LogAddress) {
  const build = await work.build(id);
  const path = build && (await findLog(build, step));
  const text = visibleText(query).slice(0, LONGEST);
  const found =
    path === undefined ? undefined : await viewLog(path, { text, ...(isLine(line) && { line: Number(line) }) });
  if (!build || !found) return undefined;
  const page = pageView(brandOf(config).name, `Log of ${step}, build ${build.meta.buildid}`, { depth: 3, live: true });
  const hrefOf = (number: number) => `?q=${encodeURIComponent(text)}&line=${number}#L${number}`;
  return {
    ...page,
    step,
    id: build.meta.buildid,
    ...found,
    query: text,
    size: formatBytes(found.size),
    matches: found.matches.map((one) => ({ ...one, href: hrefOf(one.number) })),
    searched: text !== '',
    more: found.matching > found.matches.length,
    rawHref: '?raw',
    buildHref: page.links.build(build.meta.buildid, build.meta.basearch),
  };
}

const isLine = (text: string): boolean => /^[1-9]\d{0,8}$/.test(text);
