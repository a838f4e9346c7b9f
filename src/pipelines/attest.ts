import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { sha256, writeFileAtomic } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { REBUILDS_FOLDER } from '../build/build-files.ts';
import type { BuildMeta, RebuildRecord } from '../build/build-record.ts';
import { type BuildPaths, readMeta, type StoredBuild, updateMeta } from '../build/build-store.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { renewRecords } from '../steps/deliver/publish-build.ts';
import { readShared } from '../steps/images/shared-record.ts';
import type { KnownRebuild } from '../steps/release/rebuild-statements.ts';
import { openTarget } from '../targets/open-target.ts';
import type { Target } from '../targets/target.ts';
import { putPages } from './put-pages.ts';

/** A statement that was verified, with its bytes. */
export interface AcceptedRebuild extends KnownRebuild {
  readonly content: Uint8Array;
}

/**
 * Stores what rebuilders say of a build beside it, and publishes that wherever its record is: logged, then the statements, the
 * record that names them, and its page. Done again after a kill, it ends the same.
 */
export async function attestBuild(
  project: Project,
  { paths }: StoredBuild,
  accepted: readonly AcceptedRebuild[],
  runner: Runner,
): Promise<readonly RebuildRecord[]> {
  const { config, stream } = project;
  const records = accepted.map(recordOf);
  const released = stream.release?.to?.images ?? [];
  const names = new Set([...project.targets.map(({ name }) => name), ...released]);
  const targets = [...names].flatMap((name) => config.targets[name] ?? []).map(openTarget);
  await runner.step('store', { records }, async (task) => {
    await refuseBehind(project, paths, targets, task);
    for (const [index, { content }] of accepted.entries())
      await writeFileAtomic(join(paths.dir, records[index]?.statement ?? ''), content);
    const known = (await readMeta(paths)).rebuilds ?? [];
    const fresh = records.filter(({ statement }) => !known.some((one) => one.statement === statement));
    if (fresh.length > 0) await updateMeta(paths, { rebuilds: [...known, ...fresh] });
  });
  for (const target of targets) {
    await runner.step(`record-${target.name}`, { records }, (task) => renewRecords(project, { paths }, [target], task));
    await putPages(project, { of: paths.id, inputs: { records } }, target, runner);
  }
  return (await readMeta(paths)).rebuilds ?? [];
}

/**
 * Refuses while the record here lacks what other machines have put into that of a target: it would be put in its place.
 * @throws NightlyError `usage`
 */
async function refuseBehind(
  project: Project,
  paths: BuildPaths,
  targets: readonly Target[],
  task: Task,
): Promise<void> {
  const here = await readMeta(paths);
  if (here.pendingImages === undefined) return;
  const isWhole = async (target: Target): Promise<boolean> => {
    const there = await readShared(project, paths, target, task);
    return there === undefined || partsOf(there.meta) === partsOf(here);
  };
  if (here.pendingImages.length === 0 && (await Promise.all(targets.map(isWhole))).every(Boolean)) return;
  throw new NightlyError(
    'usage',
    `Other machines make a part of build ${paths.id} that its record here does not have.`,
    {
      hint: `"atomic-nightly resume ${paths.id}" fetches it, once they are done; then attest.`,
    },
  );
}

/** What several machines put into a record. */
function partsOf({ images, refusedImages, smokeTests, pendingImages }: BuildMeta): string {
  return JSON.stringify({ images, refusedImages, smokeTests, pendingImages });
}

/** The name holds the digest: what is published under it never changes (I16). */
function recordOf({ by, said, content }: AcceptedRebuild): RebuildRecord {
  return {
    by,
    verdict: said.verdict,
    at: said.finishedOn,
    statement: `${REBUILDS_FOLDER}/${by}-${sha256(content).slice(0, 16)}.intoto.jsonl`,
    differences: said.differences.count,
    ...(said.images && {
      images: said.images.map(({ type, published, rebuilt }) => ({
        type,
        verdict: published === rebuilt ? ('identical' as const) : ('differs' as const),
      })),
    }),
  };
}
