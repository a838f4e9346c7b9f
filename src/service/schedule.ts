import { createHash } from 'node:crypto';
import { createTask, parse, type ScheduledTask, setLogger } from 'node-cron';
import type { Config, ScheduleConfig } from '../config/config.ts';

const NOTHING = (): void => undefined;

/** The schedule of a stream on its clock. */
export interface Schedule {
  readonly stream: string;
  readonly config: ScheduleConfig;
  /** The next moment that the expression names; the night begins up to the jitter later. */
  next(): Date | undefined;
  stop(): Promise<void>;
}

/**
 * Starts the schedules of all streams. A moment that passed while this process was busy or stopped counts as one that
 * comes now; those of before the start are `missedMoment`'s.
 */
export function startSchedules(config: Config, onMoment: (stream: string, moment: Date) => void): Schedule[] {
  return Object.values(config.streams).flatMap(({ name, schedule }): Schedule[] => {
    if (!schedule) return [];
    return [{ stream: name, config: schedule, ...startSchedule(schedule, (moment) => onMoment(name, moment)) }];
  });
}

/** Starts one schedule. */
export function startSchedule(
  schedule: ScheduleConfig,
  onMoment: (moment: Date) => void,
): Pick<Schedule, 'next' | 'stop'> {
  // What the library would print, the service says itself.
  setLogger({ info: NOTHING, warn: NOTHING, error: NOTHING, debug: NOTHING });
  const task = cronTask(schedule, onMoment);
  task.on('execution:missed', ({ date }) => onMoment(date));
  void task.start();
  return { next: () => task.getNextRun() ?? undefined, stop: async () => task.destroy() };
}

/** Returns the next moments that a schedule names, oldest first. */
export function nextMoments(schedule: ScheduleConfig, count: number): Date[] {
  return cronTask(schedule, NOTHING).getNextRuns(count);
}

/** How many periods of a schedule may pass before what it starts is late. */
const PERIODS = 2;

/** Returns the seconds after which what a schedule starts is late; undefined where it starts nothing twice. */
export function lateAfter(schedule: ScheduleConfig): number | undefined {
  const [first, second] = nextMoments(schedule, 2);
  return first && second ? (PERIODS * (second.getTime() - first.getTime())) / 1000 : undefined;
}

function cronTask({ cron, timeZone }: ScheduleConfig, onMoment: (moment: Date) => void): ScheduledTask {
  return createTask(cron, ({ date }) => onMoment(date), { timezone: timeZone, noOverlap: true });
}

/**
 * Returns the last moment of a schedule in (after, now] that is not older than its catch-up; undefined when none was
 * missed. Of several missed nights this is the one that is caught up with.
 */
export function missedMoment(schedule: ScheduleConfig, after: Date, now: Date): Date | undefined {
  const task = cronTask(schedule, NOTHING);
  // An expression with one second a minute, which is nearly every one, is looked through by minutes.
  const { second } = parse(schedule.cron);
  const step = second.length === 1 ? 60_000 : 1000;
  const within = second.length === 1 ? (second[0] ?? 0) * 1000 : 0;
  const oldest = Math.max(after.getTime() + 1, now.getTime() - schedule.catchUpSeconds * 1000);
  const newest = Math.floor((now.getTime() - within) / step) * step + within;
  for (let time = newest; time >= oldest; time -= step) {
    const moment = new Date(time);
    if (task.match(moment)) return moment;
  }
  return undefined;
}

/**
 * When the night of a moment begins: up to the jitter later, by how much a digest of stream and moment says. So a
 * restart does not draw again, and the time can be told beforehand.
 */
export function startOf(stream: string, { jitterSeconds }: ScheduleConfig, moment: Date): Date {
  const draw = createHash('sha256').update(`${stream}\0${moment.toISOString()}`).digest().readUInt32BE() / 2 ** 32;
  return new Date(moment.getTime() + Math.floor(draw * jitterSeconds * 1000));
}
