import type { ListedBuilder } from '../../rebuild/builder-list.ts';
import type { ListedDispute } from '../../rebuild/dispute-list.ts';
import type { DrawDay } from '../../rebuild/draw-secrets.ts';
import { type DisputeRow, disputeFacts } from '../../rebuild/rebuild-list.ts';
import { pageView } from './page.ts';
import type { StateView } from './page-state.ts';
import { timeView } from './time-view.ts';

/** What the pages of rebuilds are made of. */
interface RebuildsView {
  readonly product: string;
  readonly builders: readonly ListedBuilder[];
  /** Oldest first. */
  readonly disputes: readonly DisputeRow[];
  /** Oldest first. */
  readonly days: readonly DrawDay[];
  /** What of the records cannot be read. */
  readonly faults: readonly string[];
}

/** Days of draws that the page lists; `builders draws` has all. */
const DAYS = 14;
/** Disputes that it lists; `disputes --all` has all. */
const DISPUTES = 50;

/** Returns the page of builders, disputes and draws: the values of the template `builders`. */
export function buildersPage({ product, builders, disputes, days, faults }: RebuildsView) {
  return {
    ...pageView(product, 'Builders', { depth: 1, live: true }),
    faults,
    builders: builders.map(builderRow),
    open: disputes
      .filter(({ open }) => open)
      .map(disputeRow)
      .toReversed(),
    settled: disputes
      .filter(({ open }) => !open)
      .map(disputeRow)
      .slice(-DISPUTES)
      .toReversed(),
    days: days
      .slice(-DAYS)
      .toReversed()
      .map(({ day, commitment, secret }) => ({ day, commitment, secret: secret ?? '' })),
  };
}

function builderRow({
  name,
  operator = '',
  level,
  lastCheck,
  jobs,
  confirmed,
  disputes,
  open,
  history,
  fault,
  configured,
}: ListedBuilder) {
  const last = history.at(-1);
  return {
    ...{
      name,
      operator,
      jobs: String(jobs),
      confirmed: String(confirmed),
      disputes: String(disputes),
      open,
      gone: !configured,
    },
    level: levelView(level),
    fault: fault ?? '',
    checked:
      lastCheck === undefined
        ? false
        : { time: timeView(lastCheck.at * 1000), ok: lastCheck.ok, faults: lastCheck.faults.length },
    why: last === undefined ? '' : `${last.by}: ${last.reason}`,
  };
}

function levelView(level: ListedBuilder['level']): StateView {
  switch (level) {
    case 'new':
      return { label: 'new', symbol: '○', tone: 'idle' };
    case 'proven':
      return { label: 'proven', symbol: '✓', tone: 'good' };
    case 'sponsor':
      return { label: 'sponsor', symbol: '✓', tone: 'good' };
    case 'suspended':
      return { label: 'suspended', symbol: '✕', tone: 'bad' };
    case undefined:
      return { label: 'damaged record', symbol: '✕', tone: 'bad' };
  }
}

function disputeRow({ id, source, one, other, at, kind, packages, open, verdict: last }: DisputeRow) {
  return {
    ...{ id, source, packages, time: timeView(at * 1000) },
    // By name: which of the two is the first of the record says nothing.
    sides: [one, other].map(({ operator, builder }) => `${operator}/${builder}`).sort(),
    state: disputeState(open, kind, last?.verdict),
    verdict: last === undefined ? '' : `${last.by}: ${last.note}`,
    href: `disputes/${id}`,
  };
}

function disputeState(open: boolean, kind: string, verdict: string | undefined): StateView {
  if (open)
    return { label: kind === 'task' ? 'task' : 'disputed', symbol: '!', tone: kind === 'task' ? 'warn' : 'bad' };
  if (verdict === 'tampered') return { label: verdict, symbol: '✕', tone: 'bad' };
  return { label: verdict ?? 'settled', symbol: '✓', tone: 'idle' };
}

/** Returns the page of a dispute: the values of the template `dispute`. */
export function disputePage(product: string, listed: ListedDispute) {
  const { dispute, verdicts, open } = listed;
  const { one, other, packages, evidence, root, arch, class: known } = dispute;
  return {
    ...pageView(product, `Dispute ${dispute.id}`, { depth: 3, live: true }),
    ...disputeRow({ ...disputeFacts(dispute, verdicts), open }),
    ...{ root, arch, known, evidence, isOpen: open },
    both: [one, other].map(({ operator, builder, job, outcome }) => ({ who: `${operator}/${builder}`, job, outcome })),
    differences: packages.map(({ package: name, one: left = 'not made', other: right = 'not made', tags = [] }) => ({
      ...{ name, left, right },
      tags: tags.map(({ tag, count, one: a, other: b, files = [] }) => ({
        ...{ tag, count: String(count) },
        values: a.map((value, at) => ({ file: files[at] ?? '', one: value, other: b[at] ?? 'nothing' })),
      })),
    })),
    verdicts: verdicts.map(({ at, by, verdict, note, builders }) => ({
      time: timeView(at * 1000),
      ...{ by, verdict, note, builders: builders.join(', ') },
    })),
  };
}
