import { type Asked, askServers } from '../../base/server-time.ts';
import type { Config } from '../../config/config.ts';
import { type CheckedClock, doubtOf, insistOnClock } from '../../run/clock.ts';
import type { Project } from '../../run/project.ts';
import { treefileRepos } from '../../treefile/treefile-repos.ts';

/**
 * Makes sure, before a build is begun, that this machine's clock is not in doubt: by the servers of the repositories, the
 * seed and all targets, and by the builds that were published.
 * @throws NightlyError `clock`
 */
export async function checkBuildClock(
  { config, stream, treefile }: Pick<Project, 'config' | 'stream' | 'treefile'>,
  published: readonly string[],
  signal: AbortSignal,
): Promise<CheckedClock> {
  const repos = await treefileRepos(treefile, { locked: false });
  const asked = repos.flatMap(({ baseurl, metalink, mirrorlist, connection }) =>
    [...baseurl, metalink, mirrorlist].flatMap((url) => (url === undefined ? [] : [{ url, connection }])),
  );
  await check([...asked, { url: stream.seed.url }, ...ofTargets(config)], published, signal);
  return { published };
}

/**
 * Now, to remove things by: seconds since the epoch. Nothing may be removed by a clock that is in doubt (I8).
 * @throws NightlyError `clock`
 */
export async function pruneClock(config: Config, signal: AbortSignal): Promise<number> {
  await check(ofTargets(config), [], signal);
  return seconds();
}

const ofTargets = ({ targets }: Config): Asked[] => Object.values(targets).map(({ url }) => ({ url: `${url}/` }));

async function check(asked: readonly Asked[], published: readonly string[], signal: AbortSignal): Promise<void> {
  if (asked.length === 0 && published.length === 0) return;
  const witnesses = await askServers(asked, signal);
  const now = seconds();
  insistOnClock(doubtOf(now, witnesses, published), now);
}

const seconds = (): number => Math.floor(Date.now() / 1000);
