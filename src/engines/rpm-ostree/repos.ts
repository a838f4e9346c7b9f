import { existsSync } from 'node:fs';

import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { ID_FILES } from '../../ostree/seed-repo.ts';
import { run } from '../../programs/exec.ts';
import { addRemote, catFile, createRef, initRepo, pullLocal, pullPaths } from '../../programs/ostree.ts';
import type { Treefile } from '../../treefile/treefile.ts';
import type { Found } from '../provenance/place.ts';

/**
 * Checks that the parent's user and group ids can be read: rpm-ostree keeps them unless the treefile has its own list.
 * @throws NightlyError `seed` when they are not there.
 */
export async function checkParentIds(repo: string, parent: string, treefile: Treefile, task: Task): Promise<void> {
  const { values } = treefile;
  const kinds = [values['check-passwd'], values['check-groups']].map((check) => check?.type ?? 'previous');
  if (!kinds.includes('previous') || (await catFile(repo, parent, ID_FILES[0], task)) !== undefined) return;
  throw new NightlyError('seed', `The local repo has the parent ${parent}, but not its user and group ids.`, {
    hint: `Remove ${repo} so that the next run creates it again, or write check-passwd and check-groups of type "file" into ${treefile.path}.`,
  });
}

/**
 * Returns a bare-user repo in the cache, for releases that cannot compose into an archive repo, or follow only what
 * their ref says. The ref is set to the parent, or removed, so that the run follows exactly that.
 */
export async function prepareTwin(
  request: { readonly cacheDir: string; readonly repo: string; readonly parent?: string | undefined },
  ref: string | undefined,
  task: Task,
): Promise<string> {
  const { parent, repo } = request;
  const twin = twinPath(request.cacheDir);
  await makeFolder(dirname(twin));
  await initRepo(twin, 'bare-user', task);
  if (ref === undefined) return twin;
  if (parent === undefined) {
    await run('ostree', ['refs', `--repo=${twin}`, '--delete', ref], { task });
    return twin;
  }
  if (existsSync(join(repo, 'state', `${parent}.commitpartial`))) {
    // A copy of the whole would fail on what is not there.
    await addRemote({ repo: twin, name: 'local', url: pathToFileURL(repo).href, gpgKeys: [] }, task);
    await pullPaths({ repo: twin, remote: 'local', commit: parent, paths: ID_FILES }, task);
  } else {
    await pullLocal({ from: repo, to: twin, commit: parent }, task);
  }
  await createRef(twin, ref, parent, task);
  return twin;
}

/** Returns where that repo is. */
export function twinPath(cacheDir: string): string {
  return join(cacheDir, 'target');
}

/** What `ostree show` says of a commit. */
export interface Shown {
  /** SHA-256 over the root dirtree and dirmeta. */
  readonly contentChecksum: string;
  readonly parent: string | undefined;
  /** Seconds since the epoch. */
  readonly timestamp: number;
}

/** Reads a commit's own record. @throws NightlyError `ostree` when it cannot be read. */
export async function showCommit(repo: string, commit: string, task: Task): Promise<Shown> {
  const { stdout } = await run('ostree', ['show', `--repo=${repo}`, commit], { task });
  const contentChecksum = /^ContentChecksum:\s+([0-9a-f]{64})$/m.exec(stdout)?.[1];
  const date = /^Date:\s+(.+)$/m.exec(stdout)?.[1];
  const timestamp =
    date === undefined ? Number.NaN : Date.parse(date.replace(/ ([+-]\d\d)(\d\d)$/, '$1:$2').replace(' ', 'T'));
  if (contentChecksum === undefined || Number.isNaN(timestamp)) {
    throw new NightlyError('ostree', `"ostree show" of ${commit} cannot be read:\n${stdout}`, { log: task.logFile });
  }
  return { contentChecksum, parent: /^Parent:\s+([0-9a-f]{64})$/m.exec(stdout)?.[1], timestamp: timestamp / 1000 };
}

/** Names below a folder of a commit; none when there is no such folder. */
export async function listFolder(repo: string, commit: string, path: string, task: Task): Promise<string[]> {
  const { exitCode, stdout } = await run('ostree', ['ls', `--repo=${repo}`, '--nul-filenames-only', commit, path], {
    task,
    okExitCodes: [0, 1],
  });
  if (exitCode !== 0) return [];
  return stdout.split('\0').flatMap((name) => (name.startsWith(`${path}/`) ? name.slice(path.length + 1) : []));
}

/** Returns what is at a path of a commit, links not followed. */
export async function kindInCommit(repo: string, commit: string, path: string, task: Task): Promise<Found> {
  const args = ['ls', `--repo=${repo}`, '--dironly', commit, path];
  const { exitCode, stdout } = await run('ostree', args, { task, okExitCodes: [0, 1] });
  if (exitCode !== 0) return undefined;
  return stdout.startsWith('-') ? 'file' : stdout.startsWith('d') ? 'folder' : 'other';
}
