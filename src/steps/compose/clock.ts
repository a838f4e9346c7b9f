import { type Asked, askServers } from '../../base/server-time.ts';
import type { Config } from '../../config/config.ts';
import type { RepositoryState } from '../../rpm/repomd.ts';
import { type CheckedClock, type DatedRecord, datedBuilds, doubtOf, insistOnClock } from '../../run/clock.ts';
import type { Project } from '../../run/project.ts';
import { treefileRepos } from '../../treefile/treefile-repos.ts';

type Inputs = Pick<Project, 'config' | 'stream' | 'treefile'>;

/**
 * Makes sure, before a build is begun, that this machine's clock is not in doubt: by the servers of the repositories, the
 * seed and all targets, and by the builds that were published and not taken back.
 * @param known `builds`: those that are here; `published`: ids that the targets' indexes name; `bad`: those that are just being
 *   taken back
 * @throws NightlyError `clock`
 */
export async function checkBuildClock(
  project: Inputs,
  known: CheckedClock & { readonly bad?: readonly string[] },
  signal: AbortSignal,
): Promise<CheckedClock> {
  // One whose record is damaged counts as it was published: then the clock is doubted sooner.
  const { builds, published, bad = [] } = known;
  const retracted = builds.filter(({ meta }) => meta.retracted !== undefined);
  const untrue = new Set([...bad, ...retracted.map(({ meta }) => meta.buildid)]);
  const records = datedBuilds(published.filter((id) => !untrue.has(id)));
  await check(await serversOf(project), records, signal);
  return { builds, published };
}

/**
 * The same by the metadata that repositories have, once that is known: none is made after now.
 * @throws NightlyError `clock`
 */
export async function checkMetadataClock(
  project: Inputs,
  states: readonly Pick<RepositoryState, 'id' | 'generated'>[],
  signal: AbortSignal,
): Promise<void> {
  const records = states.map(({ id, generated }) => ({
    what: `metadata of repository "${id}" is there`,
    at: generated,
  }));
  // Servers were asked already; they have the last word where metadata says otherwise.
  if (doubtOf(seconds(), [], records) !== undefined) await check(await serversOf(project), records, signal);
}

async function serversOf({ config, stream, treefile }: Inputs): Promise<Asked[]> {
  const repos = treefile === undefined ? [] : await treefileRepos(treefile, { locked: false });
  const asked = repos.flatMap(({ baseurl, metalink, mirrorlist, connection }) =>
    [...baseurl, metalink, mirrorlist].flatMap((url) => (url === undefined ? [] : [{ url, connection }])),
  );
  return [...asked, { url: stream.seed.url }, ...ofTargets(config)];
}

/**
 * Now, to publish and to remove things by: seconds since the epoch. It is asked for right before either, since hours may have
 * passed since the build was begun, or days where it was resumed; nothing may be removed by a clock that is in doubt (I8).
 * @throws NightlyError `clock`
 */
export async function targetsClock(config: Config, signal: AbortSignal): Promise<number> {
  await check(ofTargets(config), [], signal);
  return seconds();
}

const ofTargets = ({ targets }: Config): Asked[] => Object.values(targets).map(({ url }) => ({ url: `${url}/` }));

async function check(asked: readonly Asked[], records: readonly DatedRecord[], signal: AbortSignal): Promise<void> {
  if (asked.length === 0 && records.length === 0) return;
  const witnesses = await askServers(asked, signal);
  const now = seconds();
  insistOnClock(doubtOf(now, witnesses, records), now);
}

const seconds = (): number => Math.floor(Date.now() / 1000);
