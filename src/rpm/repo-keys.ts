import { type Connection, originOf } from '../base/connection.ts';
import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { fetchBytes } from './download.ts';
import { checkCertificates } from './repo-certificates.ts';
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
      cause,
    });
  await checkCertificates(repo);
  if (repo.gpgkey.length === 0) throw fail('names no gpgkey, so no signature can be checked');
  return Promise.all(
    repo.gpgkey.map(async (url) => {
      try {
        return new TextDecoder().decode(await fetchBytes(url, task, { connection: connectionTo(url, repo) }));
      } catch (error) {
        task.signal.throwIfAborted();
        throw fail(`its key ${url} cannot be read: ${error instanceof Error ? error.message : String(error)}`, error);
      }
    }),
  );
}

/** A key may lie on anybody's server, which the login of the repository is not for. */
function connectionTo(url: string, { baseurl, metalink, mirrorlist, connection }: RepoDefinition): Connection {
  const own = [...baseurl, metalink ?? '', mirrorlist ?? ''].map(originOf);
  if (own.includes(originOf(url))) return connection;
  const { login: _, ...others } = connection;
  return others;
}
