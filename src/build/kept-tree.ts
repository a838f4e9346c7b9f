import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { type StoredBuild, surveyBuilds } from './build-store.ts';
import { readJournal } from './journal.ts';

/** What the step that finds the published commit says of it. */
const FOUND = z.looseObject({ parent: z.string().optional() });

/**
 * Refuses a build that has nothing to keep, because there was nothing to build, and names the one whose tree it found.
 * @throws NightlyError `usage`
 */
export async function refuseWithoutTree(work: string, { meta, paths }: StoredBuild): Promise<void> {
  if (meta.state !== 'unchanged') return;
  const id = meta.buildid;
  const found = (await readJournal(paths.journal)).findLast((entry) => entry.event === 'done' && entry.step === 'seed');
  const { data } = FOUND.safeParse(found?.event === 'done' ? found.output : undefined);
  const whose = data?.parent === undefined ? undefined : await buildOf(work, data.parent, meta.stream);
  const stayed = whose === undefined ? '' : `, and the tree stayed that of ${whose}`;
  throw new NightlyError('usage', `Build ${id} has nothing that a tag keeps: there was nothing to build${stayed}.`, {
    hint: whose === undefined ? 'Tag the build before it that has a commit ("list").' : `Tag ${whose} instead.`,
  });
}

/** A promotion may have the commit of its night: the build of the same stream is meant. */
async function buildOf(work: string, commit: string, stream: string): Promise<string | undefined> {
  const { builds } = await surveyBuilds(work);
  return builds.find(({ meta }) => meta.ostreeCommit === commit && meta.stream === stream)?.meta.buildid;
}
