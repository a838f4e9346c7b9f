import type { NightlyError } from '../../base/errors.ts';
import { sha256 } from '../../base/files.ts';
import type { BuildFailure, BuildMeta } from '../../build/build-record.ts';
import type { BuildState } from '../../build/outcomes.ts';
import { outcomeOf } from '../../build/outcomes.ts';
import { type FixedAdvisory, summarizeAdvisories, summarizeSecurity } from '../../rpm/fixed-advisories.ts';
import { type PackageDiff, summarizeDiff } from '../../rpm/pkgdiff.ts';
import { dayOf, daysLeft, type KeyInfo } from '../../signing/key-info.ts';
import type { AboutBuild, BuildEvent, Changes, Happening } from './event.ts';

/** Packages that a message names; the record has them all. */
const MOST_PACKAGES = 30;

/** Days before a key expires at which a notification is sent. */
const KEY_DAYS = [60, 30, 14, 7, 3, 1, 0] as const;

/** The end of a run. */
export interface RunEnd {
  readonly state: BuildState;
  readonly seconds: number;
}

/**
 * Returns how the stream stood before a build, from the states of its earlier builds, newest first; undefined: well.
 * That nothing has changed says of a failed night that it is over, but not of images that are still missing.
 */
export function badBefore(states: readonly string[]): 'failed' | 'incomplete' | 'gate-failed' | undefined {
  let quiet = false;
  for (const state of states) {
    if (state === 'complete') return undefined;
    if (state === 'incomplete' || state === 'gate-failed') return state;
    if (state === 'failed' && !quiet) return state;
    if (state === 'unchanged') quiet = true;
  }
  return undefined;
}

/**
 * Returns what the end of a run is called. A good end that the build had before is not told again.
 * @param before states of the build itself before this run, if it had any, and of the earlier builds of its stream
 */
export function endEvent(
  { state }: RunEnd,
  meta: BuildMeta,
  before: { readonly self: string | undefined; readonly earlier: readonly string[] },
): Happening[] {
  const bad = before.self !== undefined && isBadState(before.self) ? before.self : badBefore(before.earlier);
  switch (state) {
    case 'running':
      return [];
    case 'interrupted':
    case 'failed':
    case 'incomplete':
    case 'gate-failed':
      return [{ type: state }];
    case 'unchanged':
      return bad === 'failed' ? [{ type: state }, { type: 'recovered' }] : [{ type: state }];
    case 'complete':
      if (before.self === 'complete') return [];
      return bad === undefined ? [goodEnd(meta)] : [goodEnd(meta), { type: 'recovered' }];
  }
}

function isBadState(state: string): state is 'failed' | 'incomplete' | 'gate-failed' {
  return outcomeOf(state)?.bad ?? false;
}

function goodEnd(meta: BuildMeta): Happening {
  const { promotion, withdrawal } = meta;
  const { retraction } = meta;
  if (retraction) {
    const { of: release, previous, reason } = retraction;
    return { type: 'withdrawn', release, previous, reason };
  }
  if (withdrawal) {
    const { of: release, previous, reason } = withdrawal;
    return { type: 'withdrawn', release, previous, reason };
  }
  if (!promotion) return { type: 'complete' };
  const { of: night, reason } = promotion;
  return { type: 'promoted', night, ...(reason === undefined ? {} : { reason }) };
}

/** Returns what an event says of its build, but for its id. @param publicUrl of the first target of its stream */
export function aboutBuild(meta: BuildMeta, publicUrl: string, end?: RunEnd): Omit<AboutBuild, 'id' | 'at'> {
  const { name, buildid, ref, pkgdiff, ostreeCommit: commit, basearch: arch } = meta;
  const published = (meta.published ?? []).length > 0;
  return {
    product: name,
    stream: meta.stream,
    build: buildid,
    arch,
    ref,
    state: end?.state ?? meta.state,
    commit,
    ...(published ? { url: `${publicUrl}/builds/${buildid}/${arch}/` } : {}),
    ...(end === undefined ? {} : { seconds: end.seconds }),
    ...(pkgdiff === undefined ? {} : { changes: changesOf(pkgdiff, meta.advisories ?? []) }),
    failures: failuresOf(meta.failures ?? []),
  };
}

/** Failures as an event has them: without what programs printed. */
export function failuresOf(all: readonly (BuildFailure | NightlyError)[]): BuildFailure[] {
  return all.map(({ step = '', code, message, hint }) => ({
    step,
    code,
    message: message.split(/[\r\n]/, 1)[0] ?? '',
    ...(hint === undefined ? {} : { hint }),
  }));
}

function changesOf(diff: PackageDiff, fixed: readonly FixedAdvisory[]): Changes {
  const [advisories, security] = [summarizeAdvisories(fixed), summarizeSecurity(fixed)];
  const packages = diff.slice(0, MOST_PACKAGES).map(([name, , { PreviousPackage: from, NewPackage: to }]) => ({
    name,
    ...(from === undefined ? {} : { from: from[1] }),
    ...(to === undefined ? {} : { to: to[1] }),
  }));
  return {
    summary: summarizeDiff(diff),
    packages,
    more: diff.length - packages.length,
    ...(advisories === undefined ? {} : { advisories }),
    ...(security === undefined ? {} : { security }),
  };
}

/** Returns an event, with an id that no other has. */
export function asEvent(about: Omit<AboutBuild, 'id' | 'at'>, what: Happening, now = new Date()): BuildEvent {
  // Several keys may grow old in the same moment; nothing else happens twice in one.
  const which = ((): string => {
    if (what.type === 'key-expiring') return `${what.key}-`;
    if (what.type === 'dispute') return `${what.dispute}-`;
    return what.type === 'audit-finding' ? auditOf(about) : '';
  })();
  const id = `${about.build}-${what.type}-${which}${now.getTime().toString(36)}`;
  return { id, at: now.toISOString(), ...about, ...what };
}

/** Several targets may be found wrong in the same moment. */
const auditOf = ({ url = '' }: Pick<AboutBuild, 'url'>): string => `${sha256(url).slice(0, 8)}-`;

/**
 * Which keys are to be told of now.
 * @param told by fingerprint: at how many days left that was done last
 * @returns what happened, and what has been reported from now on
 */
export function expiringKeys(
  keys: readonly KeyInfo[],
  told: Readonly<Record<string, number>>,
  now = new Date(),
): { readonly happened: Happening[]; readonly told: Record<string, number> } {
  const happened: Happening[] = [];
  const next = { ...told };
  for (const key of keys) {
    const days = daysLeft(key, now);
    const due = days === undefined ? undefined : KEY_DAYS.findLast((one) => days <= one);
    if (days === undefined || due === undefined || key.expires === undefined) continue;
    if ((told[key.fingerprint] ?? Number.POSITIVE_INFINITY) <= due) continue;
    happened.push({ type: 'key-expiring', key: key.fingerprint, expires: dayOf(key.expires), days });
    next[key.fingerprint] = due;
  }
  return { happened, told: next };
}
