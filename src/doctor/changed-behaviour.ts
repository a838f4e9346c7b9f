import { type BuildSurvey, surveyBuilds } from '../build/build-store.ts';
import type { Config } from '../config/config.ts';
import { isFetched } from '../run/build.ts';

/** Something that this version does otherwise than the one before, where this configuration or work folder meets it. */
export interface ChangedBehaviour {
  readonly what: string;
  /** What is different now, and what to do. */
  readonly detail: string;
}

/** Returns what changes for a configuration that loads and its work folder. What no longer loads says so itself. */
export async function changedBehaviour(config: Config): Promise<ChangedBehaviour[]> {
  const survey = await surveyBuilds(config.work);
  return [...Object.values(config.streams).flatMap((stream) => signedSeed(stream, survey)), ...listHeader(survey)];
}

/** A stream that signs builds only on what its own key signed, or what this machine made. */
function signedSeed({ name, signing, seed }: Config['streams'][string], { builds }: BuildSurvey): ChangedBehaviour[] {
  if (signing === undefined || seed.gpgKeys.length > 0) return [];
  const newest = builds.find(({ meta }) => meta.stream === name && meta.ostreeCommit !== undefined);
  if (newest && (!isFetched(newest.paths) || newest.meta.signedBy !== undefined)) return [];
  const detail =
    'this stream signs, and this machine has not made what it builds on: where that is not signed by its key, the next build is refused. Name the keys that signed it in "seed.gpg-keys", or make the first signed build where the last one was made';
  return [{ what: `stream ${name}`, detail }];
}

function listHeader({ builds, damaged }: BuildSurvey): ChangedBehaviour[] {
  if (builds.length + damaged.length === 0) return [];
  return [{ what: 'list', detail: 'its table begins with a header; scripts read "atomic-nightly list --json"' }];
}
