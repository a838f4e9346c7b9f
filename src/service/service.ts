import { asNightlyError } from '../base/as-nightly-error.ts';
import { NightlyError } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { findStream } from '../config/lookup.ts';
import { outputPath } from './job-attempt.ts';
import { addJob, afterAttempt, dueJob, type Ending, newJob, nextDue, waitingJob, withinReach } from './jobs.ts';
import { missedMoment, startOf, startSchedules } from './schedule.ts';
import type { ServiceLog } from './service-log.ts';
import { adoptRun, beginRun, type Run, type RunContext } from './service-run.ts';
import { type Job, openState, type ServiceState } from './service-state.ts';
import { wakeablePause } from './wakeable-pause.ts';

/** The scheduler: begins nights, one at a time, and sees them to their end. */
export interface Service {
  jobs(): readonly Job[];
  /** No night begins any more. */
  draining(): boolean;
  /** When nights will begin: those of the schedules, jitter included, and those that wait; the next first. */
  nextRuns(): { readonly stream: string; readonly at: Date }[];
  /**
   * Asks for a night of a stream. The first request begins it after the debounce time; those until then are in it.
   * @param from who asks, for the log
   * @returns when it will begin
   * @throws NightlyError `usage` for a stream that has no nights, `interrupted` while the service stops.
   */
  trigger(stream: string, from: string): Promise<Date>;
  /** Begins nothing more; ends or leaves the run as the configuration says. Called again: the same promise. */
  drain(): Promise<void>;
  /** Ends the run at once, to be resumed by the next service. */
  hurry(): void;
}

/** Starts the scheduler on what an earlier one left. The caller holds the service lock. */
export async function startService(config: Config, log: ServiceLog): Promise<Service> {
  const { drainSeconds, debounceSeconds, retry } = config.service;
  const state = await openState(config.work, log);
  const longest = longestWait(config);
  const stopping = new AbortController();
  const { signal } = stopping;
  const { pause, wake } = wakeablePause();
  let running: Run | undefined;
  let endNow = false;
  let drained: Promise<void> | undefined;
  let leave: () => void = () => undefined;
  const left = new Promise<void>((settle) => {
    leave = settle;
  });

  const context: RunContext = {
    config,
    log,
    signal,
    save: (job) => state.change((old) => ({ ...old, jobs: old.jobs.map((one) => (one.id === job.id ? job : one)) })),
  };

  /** Carries one attempt at a job out and writes down what is left of it. */
  async function work(job: Job): Promise<void> {
    const { stream, attempt } = job;
    if (attempt) log(`${stream}: a run of an earlier service: ${attempt.process ?? 'not begun'}`, { stream });
    const run = attempt ? adoptRun(context, job, attempt) : await beginRun(context, job);
    if (!attempt)
      log(`${stream}: ${job.build === undefined ? 'a nightly build starts' : `continues ${job.build}`}`, { stream });
    running = run;
    if (endNow) run.stop();
    if (signal.aborted && drainSeconds === undefined) letGo(run);
    const ending = await run.ended.finally(() => {
      running = undefined;
    });
    const rest = afterAttempt(run.job, { ...ending, unseen: ending.unseen || signal.aborted }, retry, new Date());
    await state.change((old) => ({
      ...old,
      jobs: old.jobs.flatMap((one) => (one.id === job.id ? (rest ?? []) : one)),
    }));
    log(endSentence(config, job, ending, rest), { stream, ...ending });
  }

  async function loop(): Promise<void> {
    while (!signal.aborted) {
      await correctTimes();
      const { jobs } = state.current();
      const job = jobs.find(({ attempt }) => attempt !== undefined) ?? dueJob(jobs, new Date());
      if (!job) await pause((nextDue(jobs)?.getTime() ?? Number.POSITIVE_INFINITY) - Date.now());
      else {
        await work(job).catch(async (error: unknown) => {
          if (signal.aborted) return;
          const { message, hint = '' } = asNightlyError(error);
          log(`error: ${job.stream}: ${message} ${hint}`, { stream: job.stream });
          await pause(Number.POSITIVE_INFINITY);
        });
      }
    }
  }

  async function correctTimes(): Promise<void> {
    const { jobs } = state.current();
    const corrected = withinReach(jobs, new Date(), longest);
    if (corrected === jobs) return;
    log('a nightly build waited for a time that this machine’s clock had by mistake: it is due now');
    await state.change((old) => ({ ...old, jobs: withinReach(old.jobs, new Date(), longest) }));
  }

  await state.change((old) => caughtUp(config, old, new Date(), log));
  const schedules = startSchedules(config, (stream, moment) => {
    const schedule = config.streams[stream]?.schedule;
    if (!schedule || state.current().moments[stream] === moment.toISOString()) return;
    const job = newJob(stream, 'schedule', startOf(stream, schedule, moment));
    state
      .change((old) => withMoment(old, job, moment))
      .catch((error: unknown) => log(`error: ${stream}: ${asNightlyError(error).message}`, { stream }));
    wake();
  });
  const ended = loop();

  async function drain(): Promise<void> {
    stopping.abort(new NightlyError('interrupted', 'The service is stopping.'));
    for (const schedule of schedules) await schedule.stop();
    wake();
    if (drainSeconds === undefined) {
      if (running) letGo(running);
      await Promise.race([ended, left]);
      return;
    }
    const timer = setTimeout(hurry, drainSeconds * 1000);
    await ended;
    clearTimeout(timer);
  }

  function letGo(run: Run): void {
    log(`${run.job.stream}: keeps going detached`, { stream: run.job.stream });
    run.forget();
    leave();
  }

  function hurry(): void {
    endNow = true;
    running?.stop();
  }

  return {
    jobs: () => state.current().jobs,
    draining: () => signal.aborted,
    nextRuns() {
      const planned = schedules.flatMap(({ stream, config: schedule, next }) => {
        const moment = next();
        return moment ? [{ stream, at: startOf(stream, schedule, moment) }] : [];
      });
      const waiting = state.current().jobs.filter(({ attempt }) => attempt === undefined);
      const all = [...planned, ...waiting.map(({ stream, notBefore }) => ({ stream, at: new Date(notBefore) }))];
      return all.toSorted((a, b) => a.at.getTime() - b.at.getTime());
    },
    async trigger(stream, from) {
      if (signal.aborted) throw new NightlyError('interrupted', 'The service is stopping.');
      refuseWithoutNights(config, stream);
      const job = newJob(stream, 'trigger', new Date(Date.now() + debounceSeconds * 1000));
      await state.change((old) => ({ ...old, jobs: addJob(old.jobs, job) }));
      const at = new Date(waitingJob(state.current().jobs, stream)?.notBefore ?? Date.now());
      log(`${stream}: asked for by ${from}, begins at ${at.toISOString()}`, { stream });
      wake();
      return at;
    },
    drain() {
      drained ??= drain();
      return drained;
    },
    hurry,
  };
}

/**
 * Returns what an earlier service left, without what nobody wants any more, and with the nights that were missed
 * meanwhile.
 */
function caughtUp(config: Config, { moments, jobs }: ServiceState, now: Date, log: ServiceLog): ServiceState {
  let state: ServiceState = { moments, jobs: jobs.filter((job) => isWanted(config, job, now)) };
  for (const { name: stream, schedule } of Object.values(config.streams)) {
    if (!schedule) continue;
    const last = pastMoment(moments[stream], now);
    // A schedule that is new has missed nothing.
    const missed = last === undefined ? undefined : missedMoment(schedule, new Date(last), now);
    if (missed) {
      log(`${stream}: the nightly build of ${missed.toISOString()} was missed and starts now`, { stream });
      state = withMoment(state, newJob(stream, 'catch-up', startOf(stream, schedule, missed)), missed);
    } else if (last === undefined) {
      state = { ...state, moments: { ...state.moments, [stream]: now.toISOString() } };
    }
  }
  return state;
}

/** One of the future was seen by a clock that was ahead: it says nothing. */
const pastMoment = (moment: string | undefined, now: Date): string | undefined =>
  moment !== undefined && moment <= now.toISOString() ? moment : undefined;

/** The longest that a job waits for its time, in milliseconds, with a minute to spare. */
function longestWait({ service, streams }: Config): number {
  const { retry, debounceSeconds } = service;
  const jitters = Object.values(streams).map(({ schedule }) => schedule?.jitterSeconds ?? 0);
  return (60 + Math.max(debounceSeconds, retry.waitSeconds * 2 ** retry.times, ...jitters)) * 1000;
}

/** A night that never began is given up once it is older than what is caught up with. */
function isWanted(config: Config, job: Job, now: Date): boolean {
  const stream = Object.hasOwn(config.streams, job.stream) ? config.streams[job.stream] : undefined;
  if (!stream || stream.release) return false;
  if (job.cause === 'trigger' || job.attempt !== undefined || job.build !== undefined) return true;
  const oldest = now.getTime() - (stream.schedule?.catchUpSeconds ?? 0) * 1000;
  return new Date(job.notBefore).getTime() >= oldest;
}

function withMoment({ moments, jobs }: ServiceState, job: Job, moment: Date): ServiceState {
  return { moments: { ...moments, [job.stream]: moment.toISOString() }, jobs: addJob(jobs, job) };
}

function refuseWithoutNights(config: Config, name: string): void {
  const { release } = findStream(config, name);
  if (!release) return;
  throw new NightlyError('usage', `Stream "${name}" is a release stream: it is fed by promotion only.`, {
    hint: `Ask for a build of "${release.promotesFrom}" instead.`,
  });
}

function endSentence({ work }: Config, { stream }: Job, { result, build }: Ending, left: Job | undefined): string {
  const what = `${stream}: ${build === undefined ? '' : `build ${build} `}${result}`;
  if (left) return `${what}; continues at ${left.notBefore}`;
  const told = ['complete', 'unchanged'].includes(result);
  return told ? what : `${what}; what it said: ${outputPath(work, stream)}`;
}
