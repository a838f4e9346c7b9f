import type { CycleConfig } from '../config/config.ts';

/** A release of upstream that a candidate maps to. */
export interface UpstreamRelease {
  readonly id: string;
  /** `YYYY-MM-DD`, UTC. */
  readonly day: string;
}

/** Where in the cycle a day is. */
export interface CycleState {
  /** Number of the cycle, from 1; 0 before the first candidate is due. */
  readonly number: number;
  /** The day this cycle's candidate is, or was, due; undefined before the first. */
  readonly due?: string;
  readonly upstream?: UpstreamRelease;
  /** Week of the cycle, from 1; 0 before the first. */
  readonly week: number;
  readonly weeks: number;
  /** When the next candidate is due, and what it maps to. */
  readonly next: { readonly day: string; readonly upstream?: UpstreamRelease };
}

/** Returns where a moment is in the cycle. @param now seconds since the epoch */
export function cycleAt(cycle: CycleConfig, now: number): CycleState {
  const { startDay, weeks } = cycle;
  const day = Math.floor(now / 86_400);
  const number = Math.max(0, Math.floor((day - startDay) / (weeks * 7)) + 1);
  const dueDay = startDay + (number - 1) * weeks * 7;
  const next = { day: dayText(dueDay + weeks * 7), ...upstreamOf(cycle, dueDay + weeks * 7) };
  if (number === 0) return { number, week: 0, weeks, next };
  return {
    number,
    due: dayText(dueDay),
    ...upstreamOf(cycle, dueDay),
    week: Math.floor((day - dueDay) / 7) + 1,
    weeks,
    next,
  };
}

/** Returns the upstream release a candidate maps to: the newest on or before the day it is due. */
function upstreamOf({ upstream }: CycleConfig, dueDay: number): { upstream?: UpstreamRelease } {
  if (!upstream) return {};
  const { startDay, weeks, id, releases } = upstream;
  const index = Math.floor((dueDay - startDay) / (weeks * 7));
  const day = startDay + index * weeks * 7;
  const text = dayText(day);
  const named = id.replaceAll('{date}', text.replaceAll('-', '')).replaceAll('{count}', String(index + 1));
  return { upstream: { id: releases.get(day) ?? named, day: text } };
}

/** Returns a day, counted from 1970-01-01, as `YYYY-MM-DD`. */
function dayText(day: number): string {
  return new Date(day * 86_400_000).toISOString().slice(0, 10);
}
