import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { NightlyError } from '../../base/errors.ts';
import type { TreefileMember } from '../../published/treefile-members.ts';
import { parseRepoFile, type RepoDefinition } from '../../rpm/repofile.ts';
import type { Treefile } from '../../treefile/treefile.ts';
import { repoVariables, treefileRepos } from '../../treefile/treefile-repos.ts';

/**
 * Returns the repositories in which the packages of a published treefile are looked for: its own, those of the same id taken from
 * `.repo` files of this host instead, and whatever else these have.
 * @param own `.repo` files of whoever rebuilds
 * @throws NightlyError `config` for one that needs files of this host and is not among the own ones.
 */
export async function publishedRepositories(
  treefile: Treefile,
  {
    folder,
    members,
    own,
  }: { readonly folder: string; readonly members: readonly TreefileMember[]; readonly own: readonly string[] },
): Promise<RepoDefinition[]> {
  const variables = repoVariables(treefile);
  const given: RepoDefinition[] = [];
  for (const file of own) given.push(...parseRepoFile(await readOwn(file), file, variables));
  const published = await treefileRepos(treefile, { locked: true });
  const kept = published.filter(({ id }) => !given.some((one) => one.id === id));
  return [...kept.map((repo) => withPublishedKeys(repo, folder, members)), ...given];
}

async function readOwn(file: string): Promise<string> {
  if (existsSync(file)) return readFile(file, 'utf8');
  throw new NightlyError('usage', `There is no file ${file}.`, { hint: 'Name a .repo file with --repo.' });
}

/** A published `.repo` file leads to servers, not to files of this host; keys that it names in files come with the treefile. */
function withPublishedKeys(repo: RepoDefinition, folder: string, members: readonly TreefileMember[]): RepoDefinition {
  const { baseurl, metalink = '', mirrorlist = '', connection } = repo;
  const { caFile, certFile, keyFile, proxyTls = {} } = connection;
  const files = [caFile, certFile, keyFile, proxyTls.caFile, proxyTls.certFile, proxyTls.keyFile];
  const named = [
    ...[...baseurl, metalink, mirrorlist].filter((url) => url !== '' && !/^(https?|ftp):\/\//i.test(url)),
    ...files.filter((file) => file !== undefined),
  ];
  if (named.length > 0) throw needsOwn(repo, named);
  const gpgkey = repo.gpgkey.map((url) => {
    if (!url.startsWith('file:')) return url;
    const found = memberOf(fileURLToPath(url), folder, members);
    if (found === undefined) throw needsOwn(repo, [url]);
    return pathToFileURL(join(folder, found)).href;
  });
  return { ...repo, gpgkey };
}

/** Returns the file of the treefile's archive that was there under an absolute path: the one with the longest end of it. */
function memberOf(path: string, folder: string, members: readonly TreefileMember[]): string | undefined {
  const relative = path.startsWith(`${folder}${sep}`) ? path.slice(folder.length) : path;
  const found = members.map((one) => one.path).filter((one) => relative.endsWith(`/${one}`));
  return found.toSorted((a, b) => b.length - a.length)[0];
}

function needsOwn({ id }: RepoDefinition, named: readonly string[]): NightlyError {
  return new NightlyError(
    'config',
    `Repository "${id}" of the published treefile needs what only its publisher has: ${named.join(', ')}.`,
    {
      hint: `Name a .repo file with a section [${id}] of your own with --repo: where its packages are, and gpgkey= with the key that signed them.`,
    },
  );
}
