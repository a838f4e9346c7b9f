import type { ErrorCode } from '../base/errors.ts';
import type { BuildMeta } from './build-record.ts';

/** Failures that end a build for good: what it began with is what is wrong, and "resume" keeps to that. */
const FOR_GOOD: readonly ErrorCode[] = [
  'treefile',
  'config',
  'unsupported',
  'package-missing',
  'package-downgrade',
  'depsolve',
];

/** Whether a build that is continued meets the same failure, because of what it began with. */
export function isForGood({ state, failures = [] }: Pick<BuildMeta, 'state' | 'failures'>): boolean {
  return state === 'failed' && failures.some(({ code }) => FOR_GOOD.some((one) => one === code));
}

/** Returns what to do about a build that is not complete, as a sentence: the one command that helps in its state. */
export function continueHint(
  meta: Pick<BuildMeta, 'buildid' | 'state' | 'stream' | 'failures' | 'retracted' | 'promotion'>,
): string {
  const { buildid: id, state, stream, retracted, promotion } = meta;
  if (retracted !== undefined) return `It was retracted by ${retracted.by}; "atomic-nightly list" shows other builds.`;
  if (state === 'unchanged')
    return 'There was nothing to build; "atomic-nightly list" shows the builds that have a commit.';
  if (isForGood(meta)) {
    const again = promotion ? `promote ${promotion.of}` : `nightly ${stream}`;
    return `"atomic-nightly log ${id}" shows what is wrong; once it is corrected, "atomic-nightly ${again}" makes a new build.`;
  }
  if (state === 'running') {
    return `"atomic-nightly log ${id} --follow" shows how far it is; should it have been killed, "atomic-nightly resume ${id}" continues it.`;
  }
  return `"atomic-nightly resume ${id}" continues it.`;
}
