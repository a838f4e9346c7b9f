import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { filesBelow, isErrno, readTextIfExists } from '../base/files.ts';
import { didYouMean } from '../base/nearest.ts';
import { keyfileGroup } from './keyfile.ts';
import { isChecksum, objectPath, readRef } from './objects.ts';
import { isRef } from './ref.ts';

/** How a repository keeps its content: compressed with a header, or as files of one kind or another. */
export type LocalMode = 'archive' | 'bare' | 'bare-user' | 'bare-user-only';

/** An OSTree repository on this machine, whoever made it. */
export interface LocalRepo {
  /** Absolute. */
  readonly path: string;
  readonly mode: LocalMode;
}

/** Opens a repository to read from. @throws NightlyError `not-found` when there is none, `unsupported` for a mode that is not known here. */
export async function openLocalRepo(folder: string): Promise<LocalRepo> {
  const path = resolve(folder);
  const config = await readTextIfExists(join(path, 'config'));
  if (config === undefined || !existsSync(join(path, 'objects'))) {
    throw new NightlyError('not-found', `${path} is not an OSTree repository.`, { hint: 'Name one with --repo.' });
  }
  const mode = keyfileGroup(config, 'core').get('mode') ?? 'bare';
  switch (mode) {
    case 'archive':
    case 'archive-z2':
      return { path, mode: 'archive' };
    case 'bare':
    case 'bare-user':
    case 'bare-user-only':
      return { path, mode };
    default:
      throw new NightlyError('unsupported', `The repository ${path} is in mode ${mode}, which is not known here.`, {
        hint: 'Pull the commit into an archive repository and push that: "ostree pull-local".',
      });
  }
}

/**
 * Returns the commit that a ref of a repository names, when all of it is there.
 * @throws NightlyError `not-found` when there is no such ref, `ostree` when the commit was pulled in part only.
 */
export async function wholeCommitAt({ path }: LocalRepo, ref: string): Promise<string> {
  if (!isRef(ref)) {
    throw new NightlyError('usage', `${JSON.stringify(ref)} cannot be the name of a ref.`, {
      hint: 'A ref is words joined by "/", as in example/x86_64/nightly.',
    });
  }
  const commit = await readRef(path, ref).catch(unlessFolder);
  if (commit === undefined) {
    const refs = await filesBelow(join(path, 'refs/heads'));
    throw new NightlyError('not-found', `The repository ${path} has no ref ${ref}.${didYouMean(ref, refs)}`, {
      hint: `"ostree refs --repo=${path}" lists what it has.`,
    });
  }
  if (!isChecksum(commit)) {
    throw new NightlyError('ostree', `The ref ${ref} of ${path} does not hold a commit.`, {
      hint: `Recreate it: "ostree refs --repo=${path} --force --create=${ref} COMMIT".`,
    });
  }
  if (!isWhole({ path }, commit)) {
    throw new NightlyError('ostree', `The commit ${commit} at ${ref} is not in ${path}, or in part only.`, {
      hint: `Pull all of it first: "ostree pull --repo=${path} REMOTE ${ref}".`,
    });
  }
  return commit;
}

/** Whether a commit is there, and nothing says that it was pulled in part only. */
export function isWhole({ path }: Pick<LocalRepo, 'path'>, commit: string): boolean {
  return (
    existsSync(join(path, objectPath(commit, 'commit'))) && !existsSync(join(path, 'state', `${commit}.commitpartial`))
  );
}

/** A folder of refs is not a ref. */
function unlessFolder(error: unknown): undefined {
  if (isErrno(error, 'EISDIR') || isErrno(error, 'ENOTDIR')) return undefined;
  throw error;
}
