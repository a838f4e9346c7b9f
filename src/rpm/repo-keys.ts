import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { fetchBytes } from './download.ts';
import type { RepoDefinition } from './repofile.ts';

/**
 * Returns the public keys that `gpgkey=` of a repository names. @throws NightlyError `package-unsigned` when there is
 * none, or one cannot be read.
 */
export async function readRepoKeys(repo: RepoDefinition, task: Task): Promise<string[]> {
  const fail = (why: string, cause?: unknown): NightlyError =>
    new NightlyError('package-unsigned', `Repository "${repo.id}" has gpgcheck=1, but ${why}.`, {
      hint: 'Correct gpgkey= in its .repo file.',
      place: { file: repo.file, line: repo.line },
      ...(cause === undefined ? {} : { cause }),
    });
  if (repo.gpgkey.length === 0) throw fail('names no gpgkey, so no signature can be checked');
  return Promise.all(
    repo.gpgkey.map(async (url) => {
      try {
        return new TextDecoder().decode(await fetchBytes(url, task, repo));
      } catch (error) {
        task.signal.throwIfAborted();
        throw fail(`its key ${url} cannot be read: ${error instanceof Error ? error.message : String(error)}`, error);
      }
    }),
  );
}
