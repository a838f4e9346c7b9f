import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { ifThere, readTextIfExists, writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { SUMS } from '../../build/build-files.ts';
import type { BuildFailure } from '../../build/build-record.ts';
import { buildMetaText } from '../../build/build-record-format.ts';
import { type BuildPaths, readMeta } from '../../build/build-store.ts';
import { publishFiles, remadeImages } from '../../publish/publish-files.ts';
import { signatureName } from '../../published/paths.ts';
import { formatSums, parseSums } from '../../published/sha256sums.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { Target } from '../../targets/target.ts';
import { nameBuild } from '../deliver/publish-build.ts';

import type { ImageSet } from './images.ts';
import { type ImageResults, mergeRecord, missingTypes, passedGate, stateOf, type TreeResults } from './merge-record.ts';
import { changeShared, type SharedRecord } from './shared-record.ts';

/** How a build stands once a machine's part is in its record. */
export interface Standing {
  readonly state: ReturnType<typeof stateOf>;
  /** Image types without a good image. */
  readonly left: readonly string[];
  /** Whether every image that the stream wants tested came up. */
  readonly passed: boolean;
  readonly failures: readonly BuildFailure[];
}

export interface ShareRequest {
  readonly results: ImageResults;
  /** Results of the machine that made the commit; absent on others. */
  readonly tree?: TreeResults | undefined;
  readonly set: ImageSet;
  /** Whether the target's record is to become the one here. */
  readonly keep: boolean;
}

/**
 * Sends what this machine made of a build to a target and merges it into the record there, so that machines which finish at
 * once lose nothing; then names all images of the record where clients look for them. Running it again changes nothing.
 * @throws NightlyError `target-moved`, `locked`, `signing`, `usage` when the build is released.
 */
export async function publishShare(
  project: Project,
  build: Build,
  target: Target,
  { results, tree, set, keep }: ShareRequest,
  task: Task,
): Promise<Standing> {
  const { config, stream, signer } = project;
  const { paths } = build;
  const inRoot = (file: string) => join(relative(config.work, paths.dir), file);
  const digests = [...(tree?.sums ?? []), ...Object.values(results.images)];
  const made = digests.map(({ path }) => path);
  // What vouches for a file is there before the file (I2).
  const signatures = signer ? made.map((file) => inRoot(signatureName(file))) : [];
  await target.send(config.work, signatures, { immutable: false }, task);
  const records = await recordsOf(paths, results.types, tree !== undefined);
  const remade = await remadeImages(relative(config.work, paths.dir), digests, target, task);
  await publishFiles(config.work, { fixed: made.map(inRoot), remade, records: records.map(inRoot) }, target, task);

  const sums = (await readTextIfExists(join(paths.dir, SUMS))) ?? '';
  const here: SharedRecord = { meta: tree?.meta ?? (await readMeta(paths)), sums: parseSums(sums) };
  const merge = (there: SharedRecord | undefined) => mergeRecord(there ?? here, results, stream, tree);
  const { meta, sums: all } = await changeShared(project, paths, merge, target, task);
  if (keep) {
    await writeFileAtomic(join(paths.dir, SUMS), formatSums(all));
    await writeFileAtomic(paths.meta, buildMetaText(meta));
  }
  const images = Object.entries(meta.images ?? {}).map(([name, image]) => ({ name, image }));
  await nameBuild(project, build, target, set.withTemplates(images), task);
  const { failures = [], pendingImages: pending = [] } = meta;
  const left = missingTypes(meta, stream.images);
  return { state: stateOf(failures, pending), left, passed: passedGate(meta, stream), failures };
}

/** Returns the journal and all logs of the machine that made the commit; of others the logs of their images. */
async function recordsOf({ logs }: BuildPaths, types: readonly string[], isTree: boolean): Promise<string[]> {
  const names = (await ifThere(readdir(logs))) ?? [];
  const isOfType = (name: string) =>
    types.some((type) => /^(image|smoke-test)-/.test(name) && name.includes(`-${type}.`));
  return [
    ...(isTree ? ['journal.ndjson'] : []),
    ...names.filter((name) => isTree || isOfType(name)).map((name) => `logs/${name}`),
  ];
}
