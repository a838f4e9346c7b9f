import { rm } from 'node:fs/promises';
import { asNightlyError } from '../base/as-nightly-error.ts';
import type { NightlyError } from '../base/errors.ts';
import type { BuildMeta } from '../build/build-record.ts';
import { readMeta, updateMeta } from '../build/build-store.ts';
import type { Listener } from '../build/events.ts';
import { openJournal, readJournal } from '../build/journal.ts';
import type { BuildState } from '../build/outcomes.ts';
import type { Stop } from '../build/stops.ts';
import { type Build, isFetched, refuseFrozen, refuseRetracted } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import { createRunner, type Runner } from '../run/runner.ts';
import { stateOf } from '../steps/images/merge-record.ts';
import { deliverImages, type ImageShare } from './deliver-images.ts';
import { nightly, type Outcome } from './nightly.ts';
import { promote } from './promote.ts';
import { retract } from './retract.ts';
import { failureOf } from './side-by-side.ts';
import { isStillComplete, stayed } from './stay-complete.ts';
import { withdraw } from './withdraw.ts';

export interface AttemptOptions {
  readonly resumed: boolean;
  /** Compose although nothing changed. */
  readonly force: boolean;
  /** Stop a nightly build successfully after this step; undefined: run to its end. */
  readonly until?: Stop | undefined;
  /**
   * Only make images of a build that has a commit, of these types or all that are missing, and share the work with
   * other machines.
   */
  readonly share?: ImageShare;
  readonly signal: AbortSignal;
  readonly listen: Listener;
}

/** One attempt at a build, from its first step or from where its journal ends; the record says how it went. */
export async function attempt(project: Project, build: Build, options: AttemptOptions): Promise<Outcome> {
  const { listen, resumed, signal } = options;
  const { paths } = build;
  refuseFrozen(build);
  await refuseRetracted(build);
  const begun = performance.now();
  const seconds = () => Math.round(performance.now() - begun) / 1000;
  const ended = (state: BuildState) => listen({ type: 'run-ended', build: build.id, state, seconds: seconds() });
  const journal = await openJournal(paths.journal);
  const runner = createRunner({ journal, logDir: paths.logs, signal, listen });
  const before = await readMeta(paths);
  await updateMeta(paths, {
    state: 'running',
    failures: [],
    stoppedAfter: undefined,
    ...(options.force ? { forced: true } : {}),
  });
  listen({ type: 'run-started', build: build.id, stream: project.stream.name, resumed });
  try {
    const ran = await pipelineOf(project, build, runner, options);
    const outcome = stayed(before, await readMeta(paths), ran);
    const state = buildStateOf(outcome);
    await updateMeta(paths, {
      state,
      stoppedAfter: outcome.state === 'stopped' ? outcome.after : undefined,
      failures: state === 'complete' || outcome.state === 'unchanged' ? [] : outcome.failures,
      steps: await stepTimes(paths.journal),
    });
    if (state === 'complete' || state === 'unchanged') await rm(paths.scratch, { recursive: true, force: true });
    await journal.append({ at: new Date().toISOString(), event: 'end', state });
    ended(state);
    return outcome;
  } catch (caught) {
    const error = asNightlyError(caught, [paths.dir]);
    error.build = { id: build.id, stream: project.stream.name };
    // The record is written last and on the disk that may be full: what failed first is what people must see.
    const state = await recordFailure(build, before, error).catch(() => stateAfter(error, before));
    ended(state);
    throw error;
  }
}

/** Returns the state of a build whose attempt an error ended. */
function stateAfter({ code }: NightlyError, { published = [] }: BuildMeta): 'interrupted' | 'incomplete' | 'failed' {
  if (code === 'interrupted') return code;
  // All of it is there and logged; only the witnesses are still to come. Or it is visible since an earlier attempt.
  return code === 'unwitnessed' || published.length > 0 ? 'incomplete' : 'failed';
}

/** Returns the state of a build with this outcome; a stopped build waits to be continued. */
function buildStateOf(outcome: Outcome): BuildState {
  if (outcome.state !== 'stopped') return outcome.state;
  return outcome.commit === undefined ? 'interrupted' : stateOf(outcome.failures, outcome.left);
}

/**
 * A build says itself what it is: a night, the promotion of one, the withdrawal of a release, or the retraction of
 * a night; or one of another machine.
 */
async function pipelineOf(
  project: Project,
  build: Build,
  runner: Runner,
  { until, share }: AttemptOptions,
): Promise<Outcome> {
  if (share || isFetched(build.paths)) return deliverImages(project, build, { share: share ?? {} }, runner);
  const meta = await readMeta(build.paths);
  const { promotion, withdrawal } = meta;
  const { forced: force = false } = meta;
  const { retraction } = meta;
  if (retraction && !share) return retract(project, build, retraction, runner);
  if (withdrawal) return withdraw(project, build, withdrawal, runner);
  if (promotion) return promote(project, build, promotion, runner);
  return nightly(project, build, runner, { force, until });
}

/** Writes down how an error ended the attempt at a build. @returns its state */
async function recordFailure({ paths }: Build, before: BuildMeta, error: NightlyError): Promise<BuildState> {
  const now = await readMeta(paths);
  const stays = error.code !== 'interrupted' && isStillComplete(before, now);
  const state = stays ? 'complete' : stateAfter(error, now);
  await updateMeta(paths, {
    state,
    failures: stays ? [] : [failureOf(error)],
    steps: await stepTimes(paths.journal),
  });
  return state;
}

async function stepTimes(path: string): Promise<{ step: string; seconds: number }[]> {
  const entries = await readJournal(path);
  return entries.flatMap((entry) => (entry.event === 'done' ? [{ step: entry.step, seconds: entry.seconds }] : []));
}
