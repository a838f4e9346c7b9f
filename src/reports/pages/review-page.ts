import type { AdvisoriesSince } from '../../build/advisories-since.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import type { NextCommand, StreamNeeds } from '../../build/next-commands.ts';
import { standingRebuilds } from '../../build/rebuilds.ts';
import type { UpstreamRecord } from '../../build/upstream-record.ts';
import type { Fact, TreeFacts } from '../../ostree/tree-facts.ts';
import { type ChangelogEntry, changelogLines } from '../../rpm/changelog.ts';
import { distanceGroups } from '../distance-groups.ts';
import { advisoriesView } from './advisories-view.ts';
import { type Difference, differenceView } from './difference-view.ts';
import { pageView } from './page.ts';
import { packagesView } from './page-packages.ts';
import { stateView } from './page-state.ts';
import { readAsset } from './render-page.ts';
import { timeView } from './time-view.ts';

/** A review, as `pipelines/review.ts` gathers it. */
interface Reviewed {
  readonly at: string;
  readonly meta: BuildMeta;
  readonly state: string;
  readonly changes?: {
    readonly since: BuildMeta;
    readonly diff: Difference;
    readonly advisories: AdvisoriesSince;
    readonly changelogs: {
      readonly packages: readonly {
        readonly name: string;
        readonly from: string;
        readonly to: string;
        readonly known: 'since' | 'newest' | 'unknown';
        readonly entries: readonly ChangelogEntry[];
      }[];
      readonly unasked?: string;
    };
    readonly facts?: TreeFacts;
  };
  readonly needs: StreamNeeds;
  readonly proof?: string;
  readonly distance?: string;
  readonly upstream?: UpstreamRecord;
  readonly next: readonly NextCommand[];
}

/**
 * Returns the page for those who approve a build: the values of the template `review`.
 * @param options.linked whether it lies among the other pages; else it is one file that links to none of them
 */
export function reviewPage(review: Reviewed, { linked }: { readonly linked: boolean }) {
  const { at, meta, state, changes, needs, proof = '', distance = '', next } = review;
  const page = pageView(meta.name, `Review of ${meta.buildid}`, { depth: 3, live: false });
  const { promotion, approvals = [], smokeTests = {}, refusedImages = {} } = meta;
  return {
    ...page,
    linked,
    id: meta.buildid,
    buildHref: page.links.build(meta.buildid, meta.basearch),
    at: timeView(at),
    stream: meta.stream,
    arch: meta.basearch,
    state: stateView(state),
    commit: meta.ostreeCommit ?? '',
    night: promotion?.of ?? '',
    upstream: promotion?.upstream ?? '',
    reason: promotion?.reason ?? '',
    accepted: promotion?.differencesAccepted ? String(promotion.differencesAccepted.count) : '',
    proof,
    distance,
    distanceGroups: review.upstream ? distanceGroups(review.upstream) : [],
    tests: [
      ...Object.entries(smokeTests).map(([type, { bootSeconds }]) => ({
        type,
        passed: true,
        note: `booted in ${Math.round(bootSeconds)} s`,
      })),
      ...Object.keys(refusedImages).map((type) => ({ type, passed: false, note: 'did not pass' })),
    ],
    rebuilds: standingRebuilds(meta.rebuilds ?? []).map(({ by, verdict, at: when }) => ({
      by,
      verdict,
      at: timeView(when),
    })),
    rebuildsNeeded: needs.rebuildsNeeded,
    isPromotion: promotion !== undefined,
    approvals: approvals.map(({ by, at: when, note = '' }) => ({ by, note, at: timeView(when) })),
    approvalsNeeded: needs.approvalsNeeded,
    next,
    changes: changes ? changesView(changes, linked) : false,
  };
}

function changesView(
  { since, diff, advisories, changelogs, facts }: NonNullable<Reviewed['changes']>,
  linked: boolean,
) {
  const { kernelRow, imageRows, ...texts } = differenceView(diff);
  const fixed = advisoriesView({
    ...(advisories.known && { advisories: advisories.advisories }),
    advisoriesUnread: advisories.unread,
  });
  return {
    since: since.buildid,
    packages: packagesView(diff.pkgdiff, linked),
    rows: [kernelRow, ...imageRows],
    ...texts,
    advisories: fixed,
    gap: advisories.gap ?? '',
    changelogs: changelogs.packages.map(({ name, from, to, known, entries }) => ({
      ...{ name, from, to },
      newest: known === 'newest',
      unknown: known === 'unknown',
      text: entries.map((entry) => changelogLines(entry).join('\n')).join('\n\n'),
    })),
    unasked: changelogs.unasked !== undefined,
    facts: facts ? factsView(facts) : false,
  };
}

function factsView(facts: TreeFacts) {
  const list = (title: string, what: string, all: readonly Fact[]) => ({
    title,
    what,
    list: all.map(({ name, from = '', to = '' }) => ({ name, from, to })),
  });
  const lists = [
    list('Files that run as their owner or group', 'File', facts.setuid),
    list('Files with capabilities', 'File', facts.capabilities),
    list('Listening units', 'Unit', facts.listening),
    list('Enabled units', 'Unit', facts.enabled),
    list('Users', 'User', facts.users),
    list('Groups', 'Group', facts.groups),
  ];
  const changed = lists.filter((one) => one.list.length > 0);
  return { lists: changed, none: changed.length === 0 };
}

/** Puts the style sheet into a page, so that it can be sent as one file. */
export function standalone(page: string): string {
  const style = `<style>\n${readAsset('style.css')?.toString('utf8') ?? ''}</style>`;
  return page
    .replace(/<link rel="icon"[^>]*>\n/, '')
    .replace(/<link rel="alternate"[^>]*>\n/, '')
    .replace("style-src 'self'", "style-src 'unsafe-inline'")
    .replace(/<link rel="stylesheet"[^>]*>/, () => style)
    .replace(/<header>[\s\S]*?<\/header>\n/, '');
}
