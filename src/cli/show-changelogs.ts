import { join } from 'node:path';
import { resolveBuildName } from '../build/build-name.ts';
import { findBuild, type StoredBuild } from '../build/build-store.ts';
import type { Config } from '../config/config.ts';
import { packagesOf } from '../pipelines/diff-builds.ts';
import { type FoundChangelogs, findChangelogs, type PackageChangelog } from '../pipelines/find-changelogs.ts';
import { changelogLines } from '../rpm/changelog.ts';
import { type PackageDiff, packageDiff } from '../rpm/pkgdiff.ts';
import { preparationTask } from './open-run.ts';
import { type Printer, printJson } from './print.ts';

interface Wish {
  /** A build id or a name that stands for one; undefined: the build before. */
  readonly since: string | undefined;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

/** Prints what the changelogs of a build's upgraded packages say, since the build before or another one. */
export async function showChangelogs(
  config: Config,
  build: StoredBuild,
  { since, json, signal }: Wish,
  print: Printer,
): Promise<void> {
  const before =
    since === undefined ? undefined : await findBuild(config.work, await resolveBuildName(config.work, since));
  const diff = before ? await diffSince(config, before, build) : (build.meta.pkgdiff ?? []);
  const found = await findChangelogs(config, build, diff, preparationTask({ config }, signal));
  const about = { build: build.meta.buildid, since: before?.meta.buildid };
  if (json) printJson({ ...about, ...found }, print);
  else for (const line of changelogReport(found, about)) print(line);
}

async function diffSince({ work }: Config, before: StoredBuild, build: StoredBuild): Promise<PackageDiff> {
  const repo = join(work, 'repo');
  return packageDiff(await packagesOf(repo, before), await packagesOf(repo, build));
}

/** Returns the lines of a report on changelogs. */
export function changelogReport(
  { packages, unasked }: FoundChangelogs,
  { build, since }: { readonly build: string; readonly since: string | undefined },
): string[] {
  const than = since ?? 'the build before';
  if (packages.length === 0) return [`Build ${build} has no package that is newer than in ${than}.`];
  const why = unasked === undefined ? [] : [`Not all repositories could be asked: ${unasked}`];
  return [...packages.flatMap((one) => [...linesOf(one), '']).slice(0, -1), ...why];
}

function linesOf({ name, from, to, known, entries }: PackageChangelog): string[] {
  const head = `${name} ${from} -> ${to}`;
  switch (known) {
    case 'unknown':
      return [`${head}\n  neither the compose cache nor a repository has this package any more`];
    case 'newest':
      return [`${head} (the older package is not at hand: the newest entry)`, ...indented(entries)];
    case 'since':
      return entries.length === 0 ? [head, '  its changelog has no new entry'] : [head, ...indented(entries)];
  }
}

const indented = (entries: PackageChangelog['entries']): string[] =>
  entries.flatMap(changelogLines).map((line) => (line === '' ? '' : `  ${line}`));
