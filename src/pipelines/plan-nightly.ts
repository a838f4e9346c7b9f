import { join } from 'node:path';
import { buildPaths } from '../build/build-store.ts';
import type { Listener } from '../build/events.ts';
import { openJournal } from '../build/journal.ts';
import { readLockfile } from '../rpm/lockfile.ts';
import { lockedPackages, type PackageDiff, packageDiff } from '../rpm/pkgdiff.ts';
import type { Project } from '../run/project.ts';
import { createRunner } from '../run/runner.ts';
import { checkRepositories } from '../steps/compose/repositories.ts';
import { resolve } from '../steps/compose/resolve.ts';
import { readParent, seed } from '../steps/compose/seed.ts';

/** What a night would do, found out without reserving an id, composing or publishing. */
export interface NightlyPlan {
  readonly ref: string;
  readonly parent?: string;
  readonly unchanged: boolean;
  readonly pkgdiff: PackageDiff;
}

/** Runs the steps of a night up to the depsolve, with their files in a scratch folder. */
export async function planNightly(
  project: Project,
  options: { readonly scratch: string; readonly signal: AbortSignal; readonly listen: Listener },
): Promise<NightlyPlan> {
  const { scratch, signal, listen } = options;
  const journal = await openJournal(join(scratch, 'journal.ndjson'));
  const runner = createRunner({ journal, logDir: join(scratch, 'logs'), signal, listen });
  const timestamp = Math.floor(Date.now() / 1000);
  const build = { id: 'dry-run', paths: buildPaths(scratch, 'dry-run', project.stream.arch), timestamp };
  const { parent } = await runner.step('seed', {}, (task) => seed(project, timestamp, task));
  const before = await readParent(project, parent);
  const known = { ref: project.ref, ...(parent === undefined ? {} : { parent }) };
  const { unchanged } = await runner.step('repositories', {}, (task) => checkRepositories(project, before, task));
  if (unchanged) return { ...known, unchanged, pkgdiff: [] };
  const resolved = await runner.step('resolve', {}, (task) => resolve(project, build, before, task));
  const after = lockedPackages(await readLockfile(build.paths.lockfile));
  return { ...known, unchanged: resolved.unchanged, pkgdiff: packageDiff(before?.packages ?? [], after) };
}
