import { join } from 'node:path';
import type { Task } from '../../base/task.ts';
import { surveyBuilds } from '../../build/build-store.ts';
import type { Config, TargetConfig } from '../../config/config.ts';
import { localObjects } from '../../ostree/objects.ts';
import { readTargetRef } from '../../publish/heads.ts';
import { contentsOf } from '../../publish/log/log-contents.ts';
import { openLog, readLogHead } from '../../publish/log/log-files.ts';
import { keepsLog, openReleaseLog } from '../../publish/log/release-log.ts';
import { sumsPath, VERIFIER_PATH } from '../../published/paths.ts';
import type { StreamRefs } from '../../run/streams-on.ts';
import type { Target } from '../../targets/target.ts';

/** What was published before there was a log, or before a run was killed that would have logged it. */
export interface Unlogged {
  /** What refs of our streams name there; each commit is here. */
  readonly refs: readonly { readonly ref: string; readonly commit: string }[];
  /** Builds without any entry, as `ID/ARCH`. */
  readonly builds: readonly string[];
  /** Whether users have no script yet that checks what they downloaded. */
  readonly verifier: boolean;
}

const NOTHING: Unlogged = { refs: [], builds: [], verifier: false };

/** Finds it on a target; nothing where no log is kept. @throws NightlyError as `openReleaseLog`, and `log` */
export async function findUnlogged(
  config: Config,
  streams: readonly StreamRefs[],
  { target, pages }: { readonly target: Target; readonly pages: TargetConfig['pages'] },
  task: Task,
): Promise<Unlogged> {
  if (!keepsLog(config)) return NOTHING;
  const log = await openReleaseLog(config);
  const tree = await openLog(log.home, await readLogHead(log.home, { log: log.key }, task), task);
  const logged = await contentsOf(tree);
  const repo = join(config.work, 'repo');
  const refs: Unlogged['refs'][number][] = [];
  for (const ref of streams.flatMap((one) => [one.ref, one.testedRef ?? []].flat())) {
    const commit = await readTargetRef(target, ref, task);
    const isOurs = commit !== undefined && (await localObjects(repo)(commit, 'commit')) !== undefined;
    if (isOurs && !logged.refs.get(ref)?.has(commit)) refs.push({ ref, commit });
  }
  const there = (await surveyBuilds(config.work)).builds.filter(({ meta }) => meta.published?.includes(target.name));
  return {
    refs,
    builds: there
      .filter(({ meta }) => meta.pendingImages === undefined)
      .filter(({ meta: { buildid, basearch } }) => !logged.files.has(sumsPath(buildid, basearch)))
      .map(({ meta: { buildid, basearch } }) => `${buildid}/${basearch}`),
    verifier: pages !== false && there.length > 0 && (await target.read(VERIFIER_PATH, task)) === undefined,
  };
}

/** Returns what that is, by name. */
export function unloggedNames({ refs, builds, verifier }: Unlogged): string[] {
  return [
    ...refs.map(({ ref, commit }) => `ref ${ref} at ${commit.slice(0, 12)}`),
    ...builds.map((build) => `build ${build.replace('/', ' ')}`),
    ...(verifier ? [VERIFIER_PATH] : []),
  ];
}
