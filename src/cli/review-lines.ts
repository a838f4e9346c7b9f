import { capital, formatBytes, formatCount } from '../base/format.ts';
import { testsText } from '../build/about-build.ts';
import { rebuiltText } from '../build/rebuilds.ts';
import type { Fact } from '../ostree/tree-facts.ts';
import type { Review, ReviewedChanges } from '../pipelines/review.ts';
import { formatDiff, partNames } from '../rpm/pkgdiff.ts';
import { advisoryLines } from './advisory-lines.ts';
import { changelogReport } from './show-changelogs.ts';

/** Returns a review as text. */
export function reviewLines({ meta, state, changes, needs, proof, distance, next }: Review): string[] {
  const { buildid: id, promotion, approvals = [] } = meta;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Build', `${id} (${state}), ${meta.stream}, ${meta.basearch}`],
    ['Promotes', promotion?.of],
    ['Reason', promotion?.reason],
    ['Upstream', promotion?.upstream],
    ['Distance', distance],
    ['Commit', meta.ostreeCommit],
    ['Tests', testsText(meta) === undefined ? 'none' : `${testsText(meta)} images booted`],
    ['Rebuilt', rebuiltText(meta)],
    ['Approved', promotion && `${approvals.length} of ${needs.approvalsNeeded}${by(approvals.map((one) => one.by))}`],
    ['Log', proof],
  ];
  return [
    ...facts.flatMap(([name, value]) => (value === undefined ? [] : [`${`${name}:`.padEnd(11)}${value}`])),
    ...(changes ? changeLines(id, changes) : ['Nothing was released before it.']),
    ...(next.length === 0 ? [] : ['Next:', ...next.map(({ what, command }) => `  ${command}   # ${what}`)]),
  ];
}

const by = (names: readonly string[]): string => (names.length === 0 ? '' : `: ${names.join(', ')}`);

function changeLines(id: string, { since, diff, advisories, changelogs, facts }: ReviewedChanges): string[] {
  const { kernel, images, update, files } = diff;
  const size = (bytes: number | undefined) => (bytes === undefined ? 'none' : formatBytes(bytes));
  const change = ({ from = 'none', to = 'none' }: { readonly from?: string; readonly to?: string }) =>
    from === to ? from : `${from} -> ${to}`;
  const about = [
    `Since ${since.buildid}:`,
    `  Kernel: ${change(kernel)}`,
    ...(files ? [`  Files: ${files.added} added, ${files.removed} removed, ${files.changed} changed`] : []),
    ...(update ? [`  Update: ${formatCount(update.objects, 'object')}, ${formatBytes(update.bytes)}`] : []),
    ...Object.entries(images).map(([type, { from, to }]) => `  Image ${type}: ${size(from)} -> ${size(to)}`),
  ];
  const fixed = advisories.known
    ? advisoryLines({ advisories: advisories.advisories, advisoriesUnread: advisories.unread })
    : [];
  const gap = advisories.gap === undefined ? [] : [`Advisories before commit ${advisories.gap} are not known.`];
  const upgraded = changelogs.packages.length === 0 ? [] : ['Changelogs:'];
  return [
    ...about,
    `${capital(partNames(diff.pkgdiff).many)}:`,
    formatDiff(diff.pkgdiff),
    ...fixed,
    ...gap,
    ...(facts
      ? factLines(facts)
      : ['What became of setuid files, units and users is not known: a tree is not here as a whole.']),
    ...upgraded,
    ...(upgraded.length === 0 ? [] : changelogReport(changelogs, { build: id, since: since.buildid })),
  ];
}

function factLines(facts: NonNullable<ReviewedChanges['facts']>): string[] {
  const lists: readonly (readonly [string, readonly Fact[]])[] = [
    ['Set-user-ID and set-group-ID files', facts.setuid],
    ['Files with capabilities', facts.capabilities],
    ['Listening units', facts.listening],
    ['Enabled units', facts.enabled],
    ['Users', facts.users],
    ['Groups', facts.groups],
  ];
  return lists.flatMap(([title, list]) =>
    list.length === 0
      ? []
      : [`${title}:`, ...list.map((one) => `  ${one.name}: ${one.from ?? 'new'} -> ${one.to ?? 'gone'}`)],
  );
}
