import { OUTCOMES } from '../../build/outcomes.ts';
import { brandOf } from '../../reports/pages/brand.ts';
import { buildRow } from '../../reports/pages/build-row.ts';
import { createLinks } from '../../reports/pages/links.ts';
import { type SearchForm, searchPage } from '../../reports/pages/search-page.ts';
import { type BuildQuery, findBuilds, parseBuildQuery } from './build-query.ts';
import { type Snapshot, takeSnapshot, type WebContext } from './live-context.ts';

/** Returns the page that searches all builds. @param parameters of the address; those that are empty ask for nothing */
export async function searchResults(context: WebContext, parameters: URLSearchParams) {
  const asked = new URLSearchParams([...parameters].filter(([, value]) => value !== ''));
  const parsed = parseBuildQuery(asked);
  const snapshot = await takeSnapshot(context);
  const about = {
    product: brandOf(context.config).name,
    form: formOf(asked),
    streams: Object.keys(context.config.streams),
    states: Object.keys(OUTCOMES),
  };
  if ('faults' in parsed) {
    const faults = parsed.faults.map(({ parameter, why }) => `${parameter} ${why}`);
    return searchPage({ ...about, found: undefined, faults, older: '' });
  }
  return searchPage({ ...about, ...found(snapshot, parsed.query, asked), faults: [] });
}

function found({ list }: Snapshot, query: BuildQuery, asked: URLSearchParams) {
  const links = createLinks(1, true);
  const isKnown = (id: string) => list.archOf(id) !== undefined;
  const { found: all, more } = findBuilds(list.all, query);
  const rows = all.map(({ build: { meta, state, tags }, changes }) => ({
    row: buildRow(meta, { links, state, isKnown, tags }),
    changes,
  }));
  const last = all.at(-1)?.build.meta.buildid;
  const next = new URLSearchParams(asked);
  if (more && last !== undefined) next.set('before', last);
  return { found: rows, older: more ? `?${next}` : '' };
}

function formOf(asked: URLSearchParams): SearchForm {
  const value = (name: string): string => (asked.get(name) ?? '').slice(0, 200);
  return {
    package: value('package'),
    state: value('state'),
    stream: value('stream'),
    since: value('since'),
    until: value('until'),
  };
}
