import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { type CommitInfo, contentChecksumOf, objectPath, readCommit } from '../../ostree/objects.ts';
import { ID_FILES } from '../../ostree/seed-repo.ts';
import { addRemote, initRepo, pullPaths } from '../../programs/ostree.ts';
import type { PublicFiles } from '../../publish/verify/public-http.ts';
import { commitWithIds } from '../promote/commit-with-ids.ts';
import type { PublishedBuild } from './published-build.ts';

/** Name of the remote in the local repository; its configuration is written anew each time. */
const REMOTE = 'published';

/** A local repository, and whose signature a commit that is pulled into it must have; no keys: none. */
export interface PullTo {
  readonly repo: string;
  readonly gpgKeys: readonly string[];
}

/**
 * Pulls the commit of a published build, but of its content only what names its users and groups.
 * @throws NightlyError `verify` when it is not the build's; `tool-failed` when it cannot be had or is not signed.
 */
export async function pullPublished(
  { meta, commit, url }: PublishedBuild,
  to: PullTo,
  task: Task,
): Promise<CommitInfo> {
  await pull({ commit, url, paths: ID_FILES }, to, task);
  const info = await readCommit(to.repo, commit);
  const content = contentChecksumOf(info.rootTree, info.rootMeta);
  const differs =
    info.version === meta.buildid ? meta.ostreeContentChecksum !== content && 'the content checksum' : 'the version';
  if (differs === false) return info;
  throw new NightlyError(
    'verify',
    `The commit ${commit} of build ${meta.buildid} at ${url} differs from its record in ${differs}.`,
    {
      hint: 'Ask whoever publishes the build.',
    },
  );
}

/** Pulls the commit of a published build as a whole. @throws NightlyError `tool-failed` */
export async function pullWhole({ commit, url }: PublishedBuild, to: PullTo, task: Task): Promise<void> {
  await pull({ commit, url, paths: [] }, to, task);
}

/**
 * Returns the commit from which users and groups have their ids, pulled as far as that takes; undefined for the first of its ref.
 * @param files of the target that has the build
 */
export async function pullIds(
  { commit, url, parent }: { readonly commit: string; readonly url: string; readonly parent: string | undefined },
  to: PullTo,
  files: PublicFiles,
  task: Task,
): Promise<string | undefined> {
  if (parent !== undefined && (await files.size(`repo/${objectPath(parent, 'commit')}`)) !== undefined)
    await pull({ commit: parent, url, paths: ID_FILES }, to, task);
  return commitWithIds(to.repo, { parent, commit }, task);
}

async function pull(
  { commit, url, paths }: { readonly commit: string; readonly url: string; readonly paths: readonly string[] },
  { repo, gpgKeys }: PullTo,
  task: Task,
): Promise<void> {
  if (!existsSync(join(repo, 'config'))) await initRepo(repo, 'archive', task);
  await addRemote({ repo, name: REMOTE, url: `${url}/repo`, gpgKeys }, task);
  await pullPaths({ repo, remote: REMOTE, commit, paths }, task);
}
