import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { diskSpace } from '../../base/disk-space.ts';
import { formatMoment } from '../../base/format.ts';
import { currentState } from '../../build/about-build.ts';
import { type BuildList, buildList } from '../../build/build-list.ts';
import type { DamagedBuild } from '../../build/build-store.ts';
import { type TagSurvey, tagsOf } from '../../build/build-tags.ts';
import { cycleAt } from '../../build/cycle.ts';
import type { Config, StreamConfig } from '../../config/config.ts';
import type { Logo } from '../../reports/pages/brand.ts';
import { CHARTED } from '../../reports/pages/charts/nights.ts';
import type { ListedBuild, ListedStream } from '../../reports/pages/overview.ts';
import type { LockHolder } from '../../run/run-lock.ts';
import type { ContentStatus } from '../content/content-service.ts';
import { tagStep } from '../other-problems.ts';
import type { Problem } from '../problem.ts';
import { judge, type Status } from '../status.ts';
import type { IndexedBuild, Work } from './work-folder.ts';

/** When streams run next, soonest first; told by whoever starts them. */
export type NextRuns = () => readonly { readonly stream: string; readonly at: Date }[];

/** What the live pages are made from. */
export interface WebContext {
  readonly config: Config;
  readonly work: Work;
  readonly nextRuns: NextRuns;
  /** What the service does about tags of koji. */
  readonly content: () => ContentStatus | undefined;
  /** Who has the run lock. */
  readonly holder: () => Promise<LockHolder | undefined>;
  /** The picture of the distribution; undefined where the configuration names none, or it cannot be read. */
  readonly logo: () => Promise<Logo | undefined>;
  /** What is wrong beside builds. */
  readonly standingProblems: () => Promise<readonly Problem[]>;
}

/** A build as it stood at a moment. */
interface SnapshotBuild extends IndexedBuild {
  readonly state: string;
  readonly tags: readonly string[];
}

/** The work folder at a moment. */
export interface Snapshot {
  /** Newest first. */
  readonly builds: readonly SnapshotBuild[];
  /** The same builds, to look some up. */
  readonly list: BuildList<SnapshotBuild>;
  readonly holder: LockHolder | undefined;
  /** Builds whose record cannot be read. */
  readonly damaged: readonly DamagedBuild[];
}

const NO_TAGS: readonly string[] = [];

/** Reads what lists of builds are made from, all at one moment. */
export async function takeSnapshot({ work, holder: lookUp }: WebContext): Promise<Snapshot> {
  const [{ builds, damaged }, holder, tags] = await Promise.all([work.all(), lookUp(), work.tags()]);
  const list = await listOf(builds, holder !== undefined, tags);
  return { holder, damaged, builds: list.all, list };
}

interface Listed {
  readonly held: boolean;
  readonly tags: TagSurvey;
  readonly list: BuildList<SnapshotBuild>;
}

const LISTED = new WeakMap<readonly IndexedBuild[], Listed>();

/**
 * Lists builds as they stand. As long as nothing changed it is the same list: over thousands of builds a new one takes its time, and
 * others have their turn between one way through all of them and the next (I15).
 */
async function listOf(
  builds: readonly IndexedBuild[],
  held: boolean,
  tags: TagSurvey,
): Promise<BuildList<SnapshotBuild>> {
  const known = LISTED.get(builds);
  if (known?.held === held && known.tags === tags) return known.list;
  await yieldToOthers();
  const list = buildList(
    builds.map((build) => ({
      ...build,
      state: currentState(build, held),
      tags: tags.tags.length === 0 ? NO_TAGS : tagsOf(tags, build.meta.buildid),
    })),
  );
  LISTED.set(builds, { held, tags, list });
  for (const lookUp of [list.of, list.archOf]) {
    await yieldToOthers();
    lookUp('');
  }
  await yieldToOthers();
  return list;
}

/** Judges what is known of a moment, as the command `status` does. */
export async function judgeSnapshot(context: WebContext, snapshot: Snapshot): Promise<Status> {
  const { config, work, standingProblems, content } = context;
  const { list, damaged, holder: running } = snapshot;
  const [disk, problems] = await Promise.all([diskSpace(work.folder), standingProblems()]);
  const standing = [...problems, ...unheard(content(), problems)];
  return judge(config, { builds: list, damaged, running, disk, journal: work.journal, standingProblems: standing });
}

const HUB_STEP =
  '"atomic-nightly doctor" asks the hub and says what it answers; tags are processed again by themselves once it does.';

/** What the service knows of koji by itself: a hub that is away, and tags that no sync got as far as. */
function unheard(status: ContentStatus | undefined, known: readonly Problem[]): Problem[] {
  if (!status) return [];
  const { awaySince, problems } = status;
  const tags = problems.filter(({ tag }) => !known.some(({ problem }) => problem.startsWith(`Content: ${tag} `)));
  return [
    ...(awaySince === undefined
      ? []
      : [
          {
            problem: `Content: koji's hub has not answered since ${formatMoment(new Date(awaySince))}.`,
            nextStep: HUB_STEP,
          },
        ]),
    ...tags.map(({ tag, why }) => ({ problem: `Content: ${tag}: ${why}`, nextStep: tagStep(tag) })),
  ];
}

/** Returns a stream of the configuration, as lists name it. */
export function listedStream({ nextRuns }: WebContext, stream: StreamConfig): ListedStream {
  const next = nextRuns().find((run) => run.stream === stream.name)?.at;
  return {
    name: stream.name,
    kind: stream.release ? `promoted from ${stream.release.promotesFrom}` : 'nightly',
    cycle: cycleText(stream),
    next,
  };
}

function cycleText({ release }: StreamConfig): string {
  if (!release?.cycle) return '';
  const { number, week, weeks, next } = cycleAt(release.cycle, Math.floor(Date.now() / 1000));
  const now = number === 0 ? 'the first cycle has not begun' : `cycle ${number}, week ${week} of ${weeks}`;
  return `${now}; next candidate ${next.day}`;
}

/** Returns a build with what its journal says. */
export async function listed({ work }: WebContext, build: Snapshot['builds'][number]): Promise<ListedBuild> {
  return { meta: build.meta, state: build.state, tags: build.tags, entries: await work.journal(build.paths.journal) };
}

/** Returns the last builds of a stream that its charts are drawn from, oldest first. */
export async function chartedBuilds(context: WebContext, { list }: Snapshot, stream: string): Promise<ListedBuild[]> {
  const ours = list.of(stream).filter(({ state }) => state !== 'unchanged');
  return Promise.all(
    ours
      .filter(({ state }) => state !== 'running')
      .slice(0, CHARTED)
      .toReversed()
      .map((build) => listed(context, build)),
  );
}
