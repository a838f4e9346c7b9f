import { NightlyError } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files.ts';
import { formatCount } from '../../base/format.ts';
import { compareBuildIds } from '../../build/build-id.ts';
import type { PromotionRecord } from '../../build/build-record.ts';
import { PROMOTION } from '../../build/build-record-format.ts';
import { type BuildSurvey, insistOnWhole } from '../../build/build-store.ts';
import { cycleAt } from '../../build/cycle.ts';
import { inputDigest } from '../../build/journal.ts';
import { lastRelease, promotionsOf, supersededBy } from '../../build/promotions.ts';
import type { Config, ReleaseConfig, StreamConfig } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { findReleaseStream, targetsOf } from '../../config/lookup.ts';
import { type PromotionPlan, planPromotion } from '../../pipelines/plan-promote.ts';
import { formatDiff } from '../../rpm/pkgdiff.ts';
import { type Build, reopenBuild, reserveBuild } from '../../run/build.ts';
import { isCutShort } from '../../run/cut-short.ts';
import type { Project } from '../../run/project.ts';
import { type Night, openPromotedNight } from '../../run/promoted-night.ts';
import { checkBuildClock } from '../../steps/compose/clock.ts';
import { publishedBuildIds } from '../../steps/deliver/publish-build.ts';
import { requireOwnRemote } from '../../steps/release/own-remote.ts';
import { openTarget } from '../../targets/open-target.ts';
import { defineCommand } from '../define.ts';
import { exitCodeOf } from '../exit-code.ts';
import { flag, needed, text, words } from '../inputs.ts';
import { inScratch, preparationTask, showAttempt, showNotes, withLockedProject } from '../open-run.ts';
import { type Printer, printJson } from '../print.ts';
import { printOutcome } from '../print-outcome.ts';
import { refuseControlCharacters } from '../typed.ts';

/** `atomic-nightly promote BUILD`: a new build in the release stream, made of a night. Gives the exit code. */
export const promote = defineCommand({
  name: 'promote',
  section: 'Releases',
  summary: 'rebuild a nightly build from its own packages as a build of a release stream; push it for testing',
  // Options that take several words would swallow a BUILD behind them.
  usage: '<BUILD> [options]',
  arguments: { build: needed('BUILD', 'build id of a nightly build', 'build') },
  options: {
    stream: text('NAME', 'release stream; needed when several are fed from the nightly stream', {
      completes: 'stream',
    }),
    recommit: flag(
      'keep the tree byte for byte, in a new commit; the default for trees of the engines checkout and command',
    ),
    rebuild: flag('make a tree of the engines checkout and command again from the recorded inputs, and compare'),
    override: words('NEVRA', 'take a newer package, as name-[epoch:]version-release.arch'),
    exclude: words('NAME', 'leave a package out'),
    reason: text('TEXT', 'reason, stored in the build record'),
    upstream: text('ID', 'upstream release that this maps to; default: by the cycle in the configuration'),
    acceptDifferences: flag(
      'continue although the rebuilt tree differs from the nightly build; differences are recorded',
    ),
    resume: flag('continue the same promotion if it was cut short in the last 12 hours'),
    idFile: text('FILE', 'write the build id to this file as soon as it is known', { completes: 'file' }),
    dryRun: flag('check the packages and their signatures, print what would change; build nothing'),
    json: flag('the result for scripts, on standard output'),
  },
  notes: 'Every package must carry a good signature of the stream; "resume" continues a promotion that was killed.',
  examples: [
    'atomic-nightly promote 20261117_01 --dry-run',
    'atomic-nightly promote 20261117_01 --reason "cycle 12"',
    'atomic-nightly promote 20261117_01 --override openssl-1:3.2.2-7.el9.x86_64 --reason CVE-2026-1234',
  ],
  interruptible: true,
  async run({ build: id, ...options }, context) {
    const { override, exclude, dryRun, json } = options;
    const { signal, print } = context;
    refuseControlCharacters({ reason: options.reason, upstream: options.upstream });
    if (options.recommit && override.length + exclude.length > 0) {
      throw new NightlyError('usage', '--recommit keeps the tree as it is, so nothing can be overridden or excluded.', {
        hint: 'Leave out --recommit to have the tree rebuilt.',
      });
    }
    const config = await loadConfig(context.config);
    const night = await openPromotedNight(config.work, id);
    const from = night.meta.stream;
    if (night.meta.state === 'incomplete') {
      throw new NightlyError('usage', `Nightly build ${id} is incomplete: something of it is not where it belongs.`, {
        hint: `Run "atomic-nightly resume ${id}" first, or promote a complete nightly build.`,
      });
    }
    const recommit = options.recommit || (night.treefile === undefined && !options.rebuild);
    refuseForFolder(night, options);
    const { name, release } = findReleaseStream(config, { name: options.stream, from });
    return withLockedProject(
      context,
      name,
      `promote ${id}`,
      async (project, survey) => {
        const { builds } = survey;
        const state = night.meta.state;
        const warning = state === 'complete' ? [] : [`Nightly build ${id} is ${state}, not complete.`];
        showNotes(context, project, [project.engineReason, ...warning]);
        if (recommit) requireOwnRemote(project, night.lockfile);
        const promotion = promotionRecord(project, survey, night, { ...options, recommit, release });
        if (dryRun) {
          await checkBuildClock(project, { builds, published: [] }, signal);
          const plan = await inScratch(project, context, (how) =>
            planPromotion(project, promotion, { ...how, builds }),
          );
          if (json) printJson({ ...plan, promotion: PROMOTION.encode(plan.promotion) }, print);
          else printPlan(plan, print);
          return 0;
        }
        const begun = options.resume ? cutShort(builds, name, promotion) : undefined;
        const reserve = async (): Promise<Build> => {
          const taken = await takenIds(project, config.streams[from], config, signal);
          const clock = await checkBuildClock(project, { builds, published: taken }, signal);
          return reserveBuild(project, clock, { promotion });
        };
        const build = begun ?? (await reserve());
        if (options.idFile !== undefined) await writeFileAtomic(options.idFile, `${build.id}\n`);
        const outcome = await showAttempt(project, build, context, { resumed: begun !== undefined, force: false });
        printOutcome(project, build, outcome, json, print);
        return exitCodeOf(outcome);
      },
      night.treefile,
    );
  },
});

/** What others made has no packages that could be replaced; and what packages make is rebuilt anyway. */
function refuseForFolder(
  { id, treefile }: Night,
  {
    recommit,
    rebuild,
    override,
    exclude,
  }: Pick<Asked, 'recommit' | 'override' | 'exclude'> & { readonly rebuild: boolean },
): void {
  if (rebuild && recommit) throw new NightlyError('usage', '--rebuild and --recommit exclude each other.');
  if (treefile !== undefined || override.length + exclude.length === 0) return;
  throw new NightlyError(
    'usage',
    `Nightly build ${id} is not made of RPM packages: nothing can be overridden or excluded.`,
    {
      hint: 'Change what makes the tree, run a nightly build, and promote that one.',
    },
  );
}

/** What the record of a promotion takes from the command line. */
interface Asked {
  readonly recommit: boolean;
  readonly override: readonly string[];
  readonly exclude: readonly string[];
  readonly reason: string | undefined;
  readonly upstream: string | undefined;
  readonly acceptDifferences: boolean;
}

/** Returns what is asked for, with what follows from the builds there are and from the day. */
function promotionRecord(
  { stream }: Project,
  survey: BuildSurvey,
  night: Night,
  asked: Asked & { readonly release: ReleaseConfig },
): PromotionRecord {
  const { recommit, override, exclude, reason, acceptDifferences } = asked;
  const { cycle } = asked.release;
  const { builds } = survey;
  const at = cycle && cycleAt(cycle, Math.floor(Date.now() / 1000));
  const upstream = asked.upstream ?? at?.upstream?.id;
  const release = lastRelease(builds, stream.name)?.meta.buildid;
  // The last release, and the promotions of the night, which came after it.
  insistOnWhole(
    survey,
    release !== undefined && compareBuildIds(release, night.id) < 0 ? release : release && night.id,
  );
  const earlier = supersededBy(builds, night.id, stream.name);
  return {
    of: night.id,
    commit: night.commit,
    stream: night.meta.stream,
    attempt: promotionsOf(builds, night.id, stream.name).length + 1,
    recommit,
    reason,
    overrides: [...override],
    excludes: [...exclude],
    upstream,
    ...(at === undefined || at.number === 0 ? {} : { cycle: at.number }),
    lastRelease: release,
    acceptDifferences,
    supersedes: earlier.filter(({ meta }) => meta.supersededBy === undefined).map(({ meta }) => meta.buildid),
  };
}

/** Returns the last promotion of the night in a stream, when it was cut short and nothing else was asked for. */
function cutShort(builds: BuildSurvey['builds'], stream: string, asked: PromotionRecord): Build | undefined {
  // Of these no record is damaged: promotionRecord has looked.
  const [last] = promotionsOf(builds, asked.of, stream);
  const what = (one: PromotionRecord | undefined) =>
    one && inputDigest([one.recommit, one.overrides, one.excludes, one.acceptDifferences]);
  const isSame = last && what(last.meta.promotion) === what(asked);
  return isSame && isCutShort(last) ? reopenBuild(last) : undefined;
}

/** Ids that the release's targets and those of the nights name: an id is given out once in the whole project (I3). */
async function takenIds(
  project: Project,
  from: StreamConfig | undefined,
  config: Config,
  signal: AbortSignal,
): Promise<string[]> {
  const task = preparationTask(project, signal);
  const others = (from ? targetsOf(config, from) : []).filter(
    ({ name }) => !project.targets.some((target) => target.name === name),
  );
  const targets = [...project.targets, ...others.map(openTarget)];
  return (await Promise.all(targets.map((target) => publishedBuildIds(target, task)))).flat();
}

function printPlan({ promotion, ref, parent, packages, changes, pkgdiff }: PromotionPlan, print: Printer): void {
  const { of, attempt, upstream, recommit, supersedes } = promotion;
  print(`${recommit ? 'The tree' : 'A rebuild'} of ${of} at ${ref} on top of ${parent ?? 'nothing (a new ref)'}:`);
  print(
    `  attempt ${attempt}${upstream === undefined ? '' : `, for upstream ${upstream}`}, ${formatCount(packages, 'package')} with good signatures`,
  );
  if (supersedes.length > 0) print(`  in the place of ${supersedes.join(', ')}`);
  if (changes.length > 0) print(`Compared with the nightly build:\n${formatDiff(changes)}`);
  if (parent !== undefined) print(`Against the last commit of ${ref}:\n${formatDiff(pkgdiff)}`);
}
