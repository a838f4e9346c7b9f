import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere, openRegular } from '../../base/files.ts';
import type { BuildPaths } from '../../build/build-store.ts';
import type { RunningBuild } from '../../reports/pages/now.ts';
import { plainLog } from '../../reports/pages/page-text.ts';
import { stepTimes, workingSeconds } from '../../reports/pages/times.ts';
import { releaseJournal } from '../../run/build.ts';
import type { LockHolder } from '../../run/run-lock.ts';
import { isWrittenSince } from '../../run/under-way.ts';
import type { IndexedBuild, Work } from './work-folder.ts';

/** How much of the end of a log is looked at, and how many lines of it are shown. */
const TAIL = { bytes: 8192, lines: 14 } as const;

/** How far back a build may be that is being released. */
const RECENT = 50;

/**
 * Returns what the holder of the run lock works on, as the journal on disk has it; undefined when no build is under
 * way.
 */
export async function currentRun(
  work: Work,
  builds: readonly IndexedBuild[],
  holder: LockHolder | undefined,
): Promise<RunningBuild | undefined> {
  if (!holder) return undefined;
  const since = Date.parse(holder.since);
  const found = await buildUnderWay(work, builds, since);
  if (!found) return undefined;
  const { meta } = found.build;
  const steps = stepTimes(found.entries, since);
  const running = steps.filter(({ state }) => state === 'running');
  const tails = await Promise.all(
    running.map(async ({ step }) => [step, await logTail(join(found.logs, `${step}.log`))] as const),
  );
  const last = builds.find(
    ({ meta: other }) => other.stream === meta.stream && other.state === 'complete' && other.buildid !== meta.buildid,
  );
  return {
    id: meta.buildid,
    arch: meta.basearch,
    stream: meta.stream,
    command: holder.command,
    started: since,
    ...(last ? { usualSeconds: workingSeconds(await work.journal(last.paths.journal)) } : {}),
    steps,
    tails: new Map(tails.map(([step, tail]) => [step, tail ?? ''])),
  };
}

interface UnderWay {
  readonly build: IndexedBuild;
  readonly entries: Awaited<ReturnType<Work['journal']>>;
  readonly logs: string;
}

/**
 * Returns the build, or the release, whose journal was written to since the lock was taken, or a build that has none
 * yet: one that is marked as running may also have been killed, and the lock be held for something else.
 */
async function buildUnderWay(
  work: Work,
  builds: readonly IndexedBuild[],
  since: number,
): Promise<UnderWay | undefined> {
  for (const build of builds.filter(({ meta }) => meta.state === 'running')) {
    const entries = await work.journal(build.paths.journal);
    if (entries.length === 0 || isWrittenSince(entries, since)) return { build, entries, logs: build.paths.logs };
  }
  for (const build of builds.slice(0, RECENT).filter(({ meta }) => meta.promotion)) {
    const entries = await work.journal(releaseJournal(build.paths));
    if (isWrittenSince(entries, since)) return { build, entries, logs: releaseLogs(build.paths) };
  }
  return undefined;
}

const releaseLogs = ({ release }: BuildPaths): string => join(release, 'logs');

/** Returns the last lines of a log; undefined when there is none. */
async function logTail(path: string): Promise<string | undefined> {
  const text = await logEnd(path, TAIL.bytes);
  return text === undefined ? undefined : text.trimEnd().split('\n').slice(-TAIL.lines).join('\n');
}

/** Returns the end of a log, from a whole line on; undefined when there is none. */
async function logEnd(path: string, bytes: number): Promise<string | undefined> {
  const file = await ifThere(openRegular(path));
  if (!file) return undefined;
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - bytes);
    const buffer = Buffer.alloc(size - start);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
    const text = plainLog(buffer.subarray(0, bytesRead).toString());
    return start === 0 ? text : text.slice(text.indexOf('\n') + 1);
  } finally {
    await file.close();
  }
}

/**
 * Returns where the log of a step of a build, or of its release, is; undefined when it has none. Only what is there is
 * named, so no path escapes.
 */
export async function findLog({ paths }: IndexedBuild, step: string): Promise<string | undefined> {
  for (const folder of [paths.logs, releaseLogs(paths)]) {
    const names = (await ifThere(readdir(folder))) ?? [];
    if (names.includes(`${step}.log`)) return join(folder, `${step}.log`);
  }
  return undefined;
}
