import { join } from 'node:path';
import { buildPaths, type StoredBuild } from '../build/build-store.ts';
import type { Listener } from '../build/events.ts';
import { openJournal } from '../build/journal.ts';
import { type Build, nextCommitTime } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import { createRunner, type Runner } from '../run/runner.ts';

export interface DryRunOptions {
  /** A folder for all that is written; it goes when the dry run ends. */
  readonly scratch: string;
  /** The builds that are here. */
  readonly builds: readonly StoredBuild[];
  readonly signal: AbortSignal;
  readonly listen: Listener;
}

/** Returns a build that is none: no id is reserved for it, and all of it lies in a scratch folder. */
export async function dryRun(
  { stream }: Project,
  { scratch, builds, signal, listen }: DryRunOptions,
): Promise<{ readonly build: Build; readonly runner: Runner }> {
  const journal = await openJournal(join(scratch, 'journal.ndjson'));
  const timestamp = nextCommitTime({ stream }, builds, Math.floor(Date.now() / 1000));
  return {
    build: { id: 'dry-run', paths: buildPaths(scratch, 'dry-run', stream.arch), timestamp },
    runner: createRunner({ journal, logDir: join(scratch, 'logs'), signal, listen }),
  };
}
