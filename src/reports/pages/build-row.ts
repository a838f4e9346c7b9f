import { formatSeconds } from '../../base/format.ts';
import { testsText } from '../../build/about-build.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { summarizeDiff } from '../../rpm/pkgdiff.ts';
import type { Links } from './links.ts';
import { type StateView, stateView } from './page-state.ts';
import { type TimeView, timeView } from './time-view.ts';

/** A build in a list. Texts are empty where there is nothing to say. */
export interface BuildRow {
  readonly id: string;
  readonly href: string;
  readonly stream: string;
  readonly state: StateView;
  readonly time: TimeView;
  readonly duration: string;
  readonly changes: string;
  readonly images: string;
  readonly tests: string;
  readonly failed: string;
  readonly of: string;
  readonly ofHref: string;
  readonly released: '' | 'released' | 'withdrawn' | 'retracted';
  readonly superseded: string;
  /** Names that people gave it. */
  readonly tags: readonly string[];
}

export interface RowRequest {
  readonly links: Links;
  /** How it stands now. */
  readonly state: string;
  /** Whether a build has a page. */
  readonly isKnown: (id: string) => boolean;
  /** How long it took, where that is known. */
  readonly seconds?: number;
  /** Names that people gave it: what is published says nothing of them. */
  readonly tags?: readonly string[] | undefined;
}

/** Returns a build as a row of a list. */
export function buildRow(meta: BuildMeta, { links, state, isKnown, seconds, tags = [] }: RowRequest): BuildRow {
  const arch = meta.basearch;
  const of = meta.promotion?.of ?? '';
  return {
    id: meta.buildid,
    href: links.build(meta.buildid, arch),
    stream: meta.stream,
    state: stateView(state),
    time: timeView(meta.ostreeTimestamp),
    duration: seconds === undefined ? '' : formatSeconds(seconds),
    changes: changesText(meta),
    images: Object.keys(meta.images ?? {}).join(', '),
    tests: testsText(meta) ?? '',
    failed: [...new Set((meta.failures ?? []).map(({ step }) => step))].join(', '),
    of,
    ofHref: isKnown(of) ? links.build(of, arch) : '',
    released: releasedText(meta),
    superseded: meta.supersededBy ?? '',
    tags,
  };
}

/** Returns what a build changed, in a line; empty where that is not known. */
export function changesText(meta: BuildMeta): string {
  const withdrawal = meta.withdrawal;
  const retraction = meta.retraction;
  if (retraction) return `takes ${retraction.of} back to ${retraction.previous}`;
  if (withdrawal) return `takes ${withdrawal.of} back to ${withdrawal.previous}`;
  return meta.pkgdiff ? summarizeDiff(meta.pkgdiff) : '';
}

/** Whether a build was released, or taken back. */
export function releasedText(meta: BuildMeta): BuildRow['released'] {
  if (meta.retracted !== undefined) return 'retracted';
  const release = meta.release;
  if (release === undefined) return '';
  return release.withdrawn === undefined ? 'released' : 'withdrawn';
}
