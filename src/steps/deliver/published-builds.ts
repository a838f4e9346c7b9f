import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { RECORD_FILE } from '../../build/build-files.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { readBuildMeta } from '../../build/build-record-format.ts';
import { surveyBuilds } from '../../build/build-store.ts';
import { isBuildFolder } from '../../build/record-values.ts';
import { objectPath } from '../../ostree/objects.ts';
import { IN_BUILD } from '../../publish/reconcile/records-there.ts';
import { listOrNothing } from '../../publish/reconcile/repo-listing.ts';
import { buildFolder, recordPath, signatureName } from '../../published/paths.ts';
import { NOT_SIGNED, type RecordTrust } from '../../published/record-trust.ts';
import { onTarget, placeOn } from '../../published/target-record.ts';
import type { Target } from '../../targets/target.ts';

/** What is known of a target without believing anything that nobody signed. */
export interface PublishedBuilds {
  /** Builds that the target has a record of, oldest first: as they are here, or else there with a good signature. */
  readonly there: readonly BuildMeta[];
  /** All of this machine, newest first. */
  readonly here: readonly BuildMeta[];
  /** The images of a build that the target still has: retention takes them before the record. */
  imagesOf(meta: BuildMeta): NonNullable<BuildMeta['images']>;
  /** Returns the builds whose commit the target has. */
  withCommits(): Promise<readonly BuildMeta[]>;
}

/** Reads it, with one listing of `builds/`. A record that nobody vouches for is named and left out. */
export async function publishedBuilds(
  work: string,
  { target, trust }: { readonly target: Target; readonly trust: RecordTrust },
  task: Task,
): Promise<PublishedBuilds> {
  const listed = new Set<string>();
  for await (const { path } of listOrNothing(target, 'builds', task)) listed.add(path);
  const here = (await surveyBuilds(work)).builds.map(({ meta }) => meta);
  const known = new Map(here.map((meta) => [recordPath(meta.buildid, meta.basearch), meta]));
  const paths = [...listed].filter((path) => {
    const [, build, name] = IN_BUILD.exec(path) ?? [];
    return build !== undefined && isBuildFolder(build) && name === RECORD_FILE;
  });
  const unknown = paths.filter((path) => !known.has(path));
  const contents = await target.readMany([...unknown, ...unknown.map(signatureName)], task);
  for (const [index, path] of unknown.entries()) {
    const content = contents[index];
    if (!content) continue;
    if (!(await trust.believes(path, content, contents[unknown.length + index]))) {
      task.say(`${placeOn(path, target)} is left out: ${NOT_SIGNED}`);
      continue;
    }
    const [, id = '', arch = ''] = path.split('/');
    const meta = readIfGood(() => readBuildMeta(content, { id, arch }, placeOn(path, target)), task);
    if (meta) known.set(path, meta);
  }
  const there = paths.flatMap((path) => known.get(path) ?? []).toSorted((a, b) => (a.buildid < b.buildid ? -1 : 1));
  return {
    there,
    here,
    imagesOf({ buildid, basearch, images = {} }) {
      const folder = buildFolder(buildid, basearch);
      return Object.fromEntries(Object.entries(images).filter(([, { path }]) => listed.has(`${folder}/${path}`)));
    },
    async withCommits() {
      const commits = there.map(({ ostreeCommit }) => ostreeCommit);
      const files = commits.map((commit) => `repo/${objectPath(commit ?? '', 'commit')}`);
      const objects = await target.readMany(files, task);
      return there.filter((_, index) => commits[index] !== undefined && objects[index] !== undefined);
    },
  };
}

/** One that is damaged is named and left out (I15). */
function readIfGood(read: () => BuildMeta, task: Task): BuildMeta | undefined {
  try {
    return onTarget(read);
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    task.say(error.message);
    return undefined;
  }
}
