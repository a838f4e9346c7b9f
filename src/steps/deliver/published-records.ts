import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { readBuildMeta } from '../../build/build-record-format.ts';
import type { BuildIndex } from '../../published/build-index.ts';
import { recordPath, signatureName } from '../../published/paths.ts';
import { NOT_SIGNED, type RecordTrust } from '../../published/record-trust.ts';
import { placeOn } from '../../published/target-record.ts';
import type { Target } from '../../targets/target.ts';

/** A build of one architecture that a target names. */
export interface NamedBuild {
  readonly id: string;
  readonly arch: string;
}

/** Returns the builds that an index names, newest first. */
export function namedBuilds(index: BuildIndex): NamedBuild[] {
  return index.builds.flatMap(({ id, arches }) => arches.map((arch) => ({ id, arch })));
}

/**
 * Reads records of builds as the target has them, in their order; one that is damaged, or that nobody vouches for, is left out and
 * named (I15).
 * @param trust undefined where nothing is signed
 */
export async function readPublishedRecords(
  builds: readonly NamedBuild[],
  { target, trust }: { readonly target: Target; readonly trust: RecordTrust | undefined },
  task: Task,
): Promise<BuildMeta[]> {
  const paths = builds.map(({ id, arch }) => recordPath(id, arch));
  const contents = await target.readMany([...paths, ...(trust ? paths.map(signatureName) : [])], task);
  const metas: BuildMeta[] = [];
  for (const [at, { id, arch }] of builds.entries()) {
    const [content, path = ''] = [contents[at], paths[at]];
    if (!content) continue;
    if (trust && !(await trust.believes(path, content, contents[paths.length + at]))) {
      task.say(`${placeOn(path, target)} is shown nowhere: ${NOT_SIGNED}`);
      continue;
    }
    try {
      metas.push(readBuildMeta(content, { id, arch }, placeOn(path, target)));
    } catch (error) {
      if (!(error instanceof NightlyError)) throw error;
      task.say(error.message);
    }
  }
  return metas;
}
