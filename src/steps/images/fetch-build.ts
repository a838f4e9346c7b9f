import { writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder, sha256, writeFileAtomic, writeJson } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { RECORD_FILE, SUMS } from '../../build/build-files.ts';
import { buildMetaText, readBuildMeta } from '../../build/build-record-format.ts';
import { buildPaths, type StoredBuild } from '../../build/build-store.ts';
import type { Config } from '../../config/config.ts';
import { targetsOf } from '../../config/lookup.ts';
import { readCommit } from '../../ostree/objects.ts';
import { addRemote, initRepo, pullPaths } from '../../programs/ostree.ts';
import { isSignatureName, recordPath, signatureName } from '../../published/paths.ts';
import { formatSums } from '../../published/sha256sums.ts';
import { onTarget, placeOn } from '../../published/target-record.ts';
import { type Build, frozenError } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import { targetsNamed } from '../../run/streams-on.ts';
import { openTarget } from '../../targets/open-target.ts';
import { FIXED_RECORDS, FURTHER_RECORDS } from '../deliver/publish-build.ts';

import { readShared } from './shared-record.ts';

/**
 * Returns the stream on whose first target, or on the target of that name, the record of a build is that was made on another machine.
 * @throws NightlyError `not-found`, those of the targets.
 */
export async function findPublishedStream(config: Config, id: string, task: Task, from?: string): Promise<string> {
  if (from !== undefined) targetsNamed(config, from);
  const asked: string[] = [];
  for (const stream of Object.values(config.streams)) {
    const [first] = targetsOf(config, stream).filter(({ name }) => from === undefined || name === from);
    if (!first) continue;
    const target = openTarget(first);
    const path = recordPath(id, stream.arch);
    const content = await target.read(path, task);
    const meta = content && onTarget(() => readBuildMeta(content, { id, arch: stream.arch }, placeOn(path, target)));
    if (meta?.stream === stream.name) return stream.name;
    asked.push(target.name);
  }
  throw new NightlyError(
    'not-found',
    asked.length === 0
      ? `No stream publishes to ${from ?? 'any target'}.`
      : `There is no build ${id}, neither here nor on ${[...new Set(asked)].join(', ')}.`,
    {
      hint: 'Check the id; a build is there once its tree is published: "atomic-nightly nightly --until push".',
    },
  );
}

/**
 * Fetches the records of a build from the first target of its stream into the work folder, in place of those fetched before:
 * through the target itself, past any cache, with their signatures checked where the stream signs.
 * @param released whether a build may be released, which never changes any more; default: it is refused
 * @throws NightlyError `not-found`, `verify` when they do not belong together, `usage` when the build is released.
 */
export async function fetchRecords(
  project: Project,
  id: string,
  task: Task,
  { released = false }: { readonly released?: boolean } = {},
): Promise<StoredBuild> {
  const { config, stream, signer, targets, ref } = project;
  const [target] = targets;
  const paths = buildPaths(config.work, id, stream.arch);
  const folder = relative(config.work, paths.dir);
  const shared = await readShared(project, paths, target, task);
  const damaged = (what: string) =>
    new NightlyError('verify', `Build ${id} on target "${target.name}" is damaged: ${what}.`, {
      hint: `"atomic-nightly verify ${target.name}" lists all faults; "publish --reconcile" repairs them where the build was made.`,
    });
  if (!shared) throw new NightlyError('not-found', `Target "${target.name}" has no record of build ${id}.`);
  const { meta, sums } = shared;
  if (meta.buildid !== id || meta.ref !== ref || meta.stream !== stream.name)
    throw damaged(`its record is that of ${meta.buildid} at ${meta.ref}`);
  if (!released && (meta.release || (await isReleased(project, folder, task)))) throw frozenError(id);
  const further = FURTHER_RECORDS.filter((name) => sums.some(({ path }) => path === name));
  const fixed = [...FIXED_RECORDS, ...further];
  const names = signer ? fixed.flatMap((name) => [name, signatureName(name)]) : fixed;
  const contents = await target.readMany(
    names.map((name) => `${folder}/${name}`),
    task,
  );
  for (const [index, name] of names.entries()) {
    const content = contents[index];
    if (!content) throw damaged(`${name} is not there`);
    const listed = sums.find(({ path }) => path === name);
    if (!isSignatureName(name) && listed?.sha256 !== sha256(content)) throw damaged(`${name} is not what ${SUMS} says`);
    await writeFileAtomic(join(paths.dir, name), content);
  }
  await writeFileAtomic(join(paths.dir, SUMS), formatSums(sums));
  await writeJson(paths.fetched, { from: `${target.publicUrl}/${folder}`, at: new Date().toISOString() });
  // Last: with it, the build is one of those here.
  await writeFileAtomic(paths.meta, buildMetaText(meta));
  task.say(`fetched the records of ${id} from ${target.describe()}`);
  return { paths, meta };
}

/** A release has its images where releases go, whatever the record on the stream's own targets says. */
async function isReleased({ config, stream }: Project, folder: string, task: Task): Promise<boolean> {
  const places = (stream.release?.to?.images ?? []).filter((name) => !stream.targets.includes(name));
  for (const target of places.flatMap((name) => config.targets[name] ?? []).map(openTarget))
    if (await target.read(`${folder}/${RECORD_FILE}`, task)) return true;
  return false;
}

/** Name of the remote that a build's commit is pulled from; its configuration is written anew each time. */
const REMOTE = 'builds';

/**
 * Pulls the commit of a fetched build into the local repository, each object checked, where the stream signs or names keys
 * its signature too; what is there already is not pulled again.
 * @throws NightlyError `tool-failed`, `verify` when it is another build's commit.
 */
export async function pullCommit(project: Project, build: Build, commit: string, task: Task): Promise<void> {
  const { repo, ref, stream, signer, targets } = project;
  const gpgKeys = [...stream.seed.gpgKeys];
  if (signer) {
    const key = join(build.paths.scratch, 'signing-key.gpg');
    await makeFolder(dirname(key));
    await writeFile(key, await signer.clientKey(task));
    gpgKeys.push(key);
  }
  await initRepo(repo, 'archive', task);
  await addRemote({ repo, name: REMOTE, url: `${targets[0].publicUrl}/repo`, gpgKeys }, task);
  await pullPaths({ repo, remote: REMOTE, ref, commit, paths: [] }, task);
  const { version } = await readCommit(repo, commit);
  if (version === build.id) return;
  throw new NightlyError(
    'verify',
    `The record of build ${build.id} names the commit ${commit}, which is that of ${version}.`,
    {
      hint: `"atomic-nightly verify ${targets[0].name}" lists all faults there.`,
    },
  );
}
