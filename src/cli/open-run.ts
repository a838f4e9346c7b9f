import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../base/files.ts';
import { quietTask, type Task } from '../base/task.ts';
import { type BuildSurvey, type StoredBuild, surveyBuilds } from '../build/build-store.ts';
import type { Listener } from '../build/events.ts';
import { loadConfig } from '../config/load.ts';
import { type AttemptOptions, attempt } from '../pipelines/attempt.ts';
import type { Outcome } from '../pipelines/nightly.ts';
import { openTeller, type Teller } from '../reports/notify/teller.ts';
import { type Shown, selectListener } from '../reports/progress/select-listener.ts';
import type { Build } from '../run/build.ts';
import { openProject, type Project } from '../run/project.ts';
import { openPromotedNight } from '../run/promoted-night.ts';
import { takeRunLock } from '../run/run-lock.ts';
import type { Context, RunContext } from './context.ts';

/**
 * Opens a stream and holds the run lock of its work folder while `work` runs.
 * @param work is given the builds there are: a run that has the lock need not look for them again
 * @param treefile instead of the stream's own
 */
export async function withLockedProject<Result>(
  options: RunContext,
  stream: string | undefined,
  command: string,
  work: (project: Project, survey: BuildSurvey) => Promise<Result>,
  treefile?: string,
): Promise<Result> {
  const project = await openProject(options.config, stream, treefile);
  await makeFolder(project.config.work);
  const lock = await takeRunLock(project.config.work, command);
  try {
    const survey = await surveyBuilds(project.config.work);
    noteDamage(survey, options.logFormat);
    return await work(project, survey);
  } finally {
    await lock.release();
  }
}

/** The same for a build that is there already: a promotion keeps to the treefile of its night. */
export async function withLockedBuild<Result>(
  options: RunContext,
  { meta }: StoredBuild,
  command: string,
  work: (project: Project) => Promise<Result>,
): Promise<Result> {
  const { of } = meta.promotion ?? {};
  const night = of === undefined ? undefined : await openPromotedNight((await loadConfig(options.config)).work, of);
  const what = `${command} ${meta.buildid}`;
  return withLockedProject(options, meta.stream, what, work, night?.treefile);
}

/** Runs an attempt at a build, showing its progress on standard error and telling the sinks of the configuration. */
export async function showAttempt(
  project: Project,
  build: Build,
  options: RunContext,
  how: Omit<AttemptOptions, 'signal' | 'listen'>,
): Promise<Outcome> {
  return withSinks(project, build, options, (shown, teller) => {
    const listen: Listener = (event) => {
      shown.listen(event);
      teller.listen(event);
    };
    return attempt(project, build, { ...how, signal: options.signal, listen });
  });
}

/** Opens what shows a run on standard error, and the sinks of the configuration. */
export async function withSinks<Result>(
  project: Project,
  build: Build,
  options: Pick<RunContext, 'logFormat' | 'signal'>,
  work: (shown: Shown, teller: Teller) => Promise<Result>,
): Promise<Result> {
  const about = { build: build.id, stream: project.stream.name };
  const shown = selectListener(options.logFormat, process.stderr, about);
  const teller = await openTeller(project, build, { say: shown.note, signal: options.signal });
  try {
    return await work(shown, teller);
  } finally {
    await teller.close();
    shown.close();
  }
}

/** Lines for people before there is a build. */
export function showNotes(options: Pick<RunContext, 'logFormat'>, { stream }: Project, lines: readonly string[]): void {
  const { note, close } = selectListener(options.logFormat, process.stderr, { stream: stream.name });
  for (const line of lines) note(line);
  close();
}

/** Names on standard error the builds whose record is damaged: they are left out, and everything else goes on (I15). */
export function noteDamage({ damaged }: BuildSurvey, logFormat: Context['logFormat']): void {
  warn(
    damaged.map(({ error }) => `${error.message} ${error.hint ?? ''}`),
    logFormat,
  );
}

/** Warnings on standard error. */
export function warn(lines: readonly string[], logFormat: Context['logFormat']): void {
  if (lines.length === 0) return;
  const { note, close } = selectListener(logFormat, process.stderr);
  for (const line of lines) note(`warning: ${line}`);
  close();
}

/** A task outside any build: for reading a target's index before an id exists. Logs to `work/atomic-nightly.log`. */
export function preparationTask(project: Pick<Project, 'config'>, signal: AbortSignal): Task {
  return quietTask(join(project.config.work, 'atomic-nightly.log'), signal);
}

/** Makes the plan of a dry run in a scratch folder of its own: what an earlier one left there says nothing about this one. */
export async function inScratch<Plan>(
  { config, stream }: Pick<Project, 'config' | 'stream'>,
  { logFormat, signal }: RunContext,
  plan: (how: { scratch: string; signal: AbortSignal; listen: Listener }) => Promise<Plan>,
): Promise<Plan> {
  const scratch = join(config.work, 'scratch', 'dry-run');
  await rm(scratch, { recursive: true, force: true });
  await makeFolder(scratch);
  const { listen, close } = selectListener(logFormat, process.stderr, { stream: stream.name });
  try {
    return await plan({ scratch, signal, listen });
  } finally {
    close();
    await rm(scratch, { recursive: true, force: true });
  }
}
