import { basename } from 'node:path';
import { OUTCOMES } from '../../build/outcomes.ts';
import { SEARCH_INDEX_PATH } from '../../published/search-index.ts';
import type { FoundChange } from '../../rpm/packed-changes.ts';
import type { BuildRow } from './build-row.ts';
import { pageView } from './page.ts';
import { stateView } from './page-state.ts';

/** What was asked for, as it stands in the form; empty where nothing was. */
export interface SearchForm {
  readonly package: string;
  readonly state: string;
  readonly stream: string;
  readonly since: string;
  readonly until: string;
}

export interface SearchRequest {
  readonly product: string;
  readonly form: SearchForm;
  readonly streams: readonly string[];
  readonly states: readonly string[];
  /** Undefined where the question is none: then there are faults. */
  readonly found: readonly { readonly row: BuildRow; readonly changes: readonly FoundChange[] }[] | undefined;
  readonly faults: readonly string[];
  /** Query that continues the list; empty at its end. */
  readonly older: string;
}

/** Returns the page that searches all builds: the values of the template `search`. */
export function searchPage({ product, form, streams, states, found, faults, older }: SearchRequest) {
  const options = (all: readonly string[], chosen: string) => all.map((name) => ({ name, chosen: name === chosen }));
  return {
    ...pageView(product, 'Search', { depth: 1, live: true }),
    ...{ form, faults, older },
    streams: options(streams, form.stream),
    states: options(states, form.state),
    hasChanges: form.package !== '',
    answered: found !== undefined,
    builds: (found ?? []).map(({ row, changes }) => ({ ...row, found: changes })),
  };
}

const NOTHING_ASKED: SearchForm = { package: '', state: '', stream: '', since: '', until: '' };

/**
 * Returns the search of published pages: the values of the template `published-search`. It is the same for every target: `search.js`
 * reads the index beside it, fills in the streams, and answers.
 */
export function publishedSearchPage(product: string) {
  const states = Object.keys(OUTCOMES).filter((state) => state !== 'running');
  return {
    ...pageView(product, 'Search', { depth: 1, live: false }),
    scripts: ['search.js'],
    form: NOTHING_ASKED,
    streams: [],
    states: states.map((name) => ({ name, chosen: false, state: stateView(name) })),
    index: basename(SEARCH_INDEX_PATH),
  };
}
