import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ifThere } from '../base/files.ts';
import { type GrowingFile, growingFile } from '../base/growing-file.ts';
import { currentState } from '../build/about-build.ts';
import { type BuildPaths, readMeta } from '../build/build-store.ts';
import { type JournalEntry, readJournal } from '../build/journal.ts';
import { lockHolder } from '../run/lock-holder.ts';
import { isUnderWay } from '../run/under-way.ts';
import { stepsUnderWay } from './journal-text.ts';

/** How often the journal and the logs are looked at. */
const EVERY_MS = 300;

/** How many lines of a step's log are shown of what was there before anybody looked. */
const TAIL = 10;

/** Who is given what a build does. */
export interface Follower {
  /** Entries of the journal, oldest first; at first all that are there. */
  entries(entries: readonly JournalEntry[]): void;
  /** Lines of a step's log. */
  lines?(step: string, lines: readonly string[]): void;
  /** A step whose log is given from its first line on; of others, only the last lines of what was there before. */
  readonly whole?: string;
  /** Whether enough was seen though the build goes on. */
  isDone?(): boolean;
}

/**
 * Follows a build that any process makes, by what it writes, until it ends.
 * @returns how it stands then
 */
export async function followBuild(work: string, paths: BuildPaths, follower: Follower): Promise<string> {
  const logs = new Map<string, GrowingFile>();
  const open = (step: string, tail?: number) => {
    if (!logs.has(step)) logs.set(step, growingFile(join(paths.logs, `${step}.log`), tail));
  };
  for (const step of await stepsWithLog(paths)) {
    const isShown = stepsUnderWay(await readJournal(paths.journal)).has(step);
    open(step, step === follower.whole ? undefined : isShown ? TAIL : 0);
  }
  let seen = 0;
  for (;;) {
    // In this order: what the holder wrote before it let go of the lock is seen before the end is.
    const holder = await lockHolder(work);
    const meta = await readMeta(paths);
    const entries = await readJournal(paths.journal);
    for (const entry of entries.slice(seen)) if (entry.event === 'start') open(entry.step);
    // What stands in the logs of steps goes before the entries that end them.
    if (seen > 0) await tellLines(logs, follower);
    follower.entries(entries.slice(seen));
    if (seen === 0) await tellLines(logs, follower);
    seen = entries.length;
    if (follower.isDone?.() || !isUnderWay({ meta }, entries, holder)) {
      for (const [step, log] of logs) {
        const rest = await log.rest();
        if (rest !== undefined) follower.lines?.(step, [rest]);
      }
      return currentState({ meta }, false);
    }
    await pause(EVERY_MS);
  }
}

async function tellLines(logs: ReadonlyMap<string, GrowingFile>, follower: Follower): Promise<void> {
  for (const [step, log] of logs) {
    const lines = await log.lines();
    if (lines.length > 0) follower.lines?.(step, lines);
  }
}

/** Returns the names of steps that have a log. */
export async function stepsWithLog({ logs }: BuildPaths): Promise<string[]> {
  const names = (await ifThere(readdir(logs))) ?? [];
  return names.filter((name) => name.endsWith('.log')).map((name) => basename(name, '.log'));
}
