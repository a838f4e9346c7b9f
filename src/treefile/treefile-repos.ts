import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import pLimit from 'p-limit';
import { originOf } from '../base/connection.ts';
import { NightlyError } from '../base/errors.ts';
import { readRegular } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import type { RepoPackage } from '../rpm/primary.ts';
import { readRepoContent } from '../rpm/repodata.ts';
import { isEnabled, parseRepoFile, type RepoDefinition } from '../rpm/repofile.ts';
import { type RepositoryState, readRepository } from '../rpm/repomd.ts';
import type { Treefile } from './treefile.ts';

/**
 * Reads every `*.repo` beside the top treefile, as rpm-ostree does; the host's own repositories never count.
 * The copy of an earlier treefile says what the repositories are; how they are reached, by which
 * proxy, login and certificates, is said by the .repo files of today, for a copy has no passwords.
 * @throws NightlyError `config` for a file that is not INI or an id defined twice.
 */
export async function readRepoFiles(treefile: Treefile): Promise<RepoDefinition[]> {
  const repos = await repoFilesIn(dirname(treefile.path), treefile);
  if (treefile.reachedBy === undefined) return repos;
  // A copy is for the time when the original is gone or no longer good.
  const today = await repoFilesIn(dirname(treefile.reachedBy), treefile).catch(() => []);
  return repos.map((repo) => {
    const same = today.find(({ id }) => id === repo.id);
    // A login is for the servers it was written beside.
    return same && originsOf(same).some((origin) => originsOf(repo).includes(origin))
      ? { ...repo, connection: same.connection }
      : repo;
  });
}

function originsOf({ baseurl, metalink = '', mirrorlist = '' }: RepoDefinition): string[] {
  return [...baseurl, metalink, mirrorlist].flatMap((url) => originOf(url) ?? []);
}

async function repoFilesIn(folder: string, treefile: Treefile): Promise<RepoDefinition[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.repo')).sort();
  const variables = repoVariables(treefile);
  const published = Object.keys(treefile.values.repovars ?? {});
  const found = new Map<string, RepoDefinition>();
  for (const name of files) {
    const file = join(folder, name);
    for (const repo of parseRepoFile((await readRegular(file)).toString('utf8'), file, variables, published)) {
      const earlier = found.get(repo.id);
      if (earlier) {
        throw new NightlyError(
          'config',
          `Repository "${repo.id}" is defined twice: in ${earlier.file} and in ${file}.`,
          {
            hint: 'Remove one of the two sections.',
            place: { file, line: repo.line },
          },
        );
      }
      found.set(repo.id, repo);
    }
  }
  return [...found.values()];
}

/**
 * Returns the repositories of a treefile: those of `repos` and `repo-packages`, then, when `locked`, those of
 * `lockfile-repos`. Each once. Without `repos` all that are enabled stand for them, unless `locked` has any of its own
 * (rpmostree_context_setup in rpm-ostree's rpmostree-core.cxx).
 * @throws NightlyError `repo-unknown`, naming the known ids and the .repo files.
 */
export async function treefileRepos(
  treefile: Treefile,
  options: { readonly locked: boolean },
): Promise<RepoDefinition[]> {
  const defined = await readRepoFiles(treefile);
  const { values } = treefile;
  const wanted = new Map<string, string>();
  const lockfileRepos = options.locked ? (values['lockfile-repos'] ?? []) : [];
  for (const id of values.repos ?? []) wanted.set(id, `repos/${id}`);
  if (wanted.size + lockfileRepos.length === 0) {
    for (const repo of defined) if (isEnabled(repo)) wanted.set(repo.id, 'repos');
  }
  for (const { repo } of values['repo-packages'] ?? [])
    if (!wanted.has(repo)) wanted.set(repo, `repo-packages/${repo}`);
  for (const id of lockfileRepos) if (!wanted.has(id)) wanted.set(id, `lockfile-repos/${id}`);
  return [...wanted].map(([id, origin]) => {
    const repo = defined.find((one) => one.id === id);
    if (repo) return repo;
    const files = [...new Set(defined.map(({ file }) => file))];
    const place = treefile.origins.get(origin) ?? treefile.origins.get(origin.split('/')[0] ?? '');
    throw new NightlyError(
      'repo-unknown',
      `The treefile names the repository "${id}", which no .repo file beside it defines. ${
        defined.length === 0
          ? `There is no repository in any *.repo file in ${dirname(treefile.path)}.`
          : `Defined are ${defined.map((one) => one.id).join(', ')} in ${files.join(', ')}.`
      }`,
      {
        hint: `Correct the id in the treefile, or add a [${id}] section to a .repo file in ${dirname(treefile.path)}.`,
        place,
      },
    );
  });
}

/** dnf's variables for a treefile: basearch, arch, releasever (when it has one) and its repovars. */
export function repoVariables({ values }: Treefile): Record<string, string> {
  const basearch = values.basearch ?? 'x86_64';
  return {
    basearch,
    arch: basearch,
    ...(values.releasever === undefined ? {} : { releasever: String(values.releasever) }),
    ...values.repovars,
  };
}

/**
 * Reads repomd.xml of every repository a treefile composes from (`repos` and `repo-packages`), side by side.
 * @throws NightlyError `repo-unknown`, `repo-unreachable`.
 */
export async function readRepositories(treefile: Treefile, task: Task): Promise<RepositoryState[]> {
  const repos = await treefileRepos(treefile, { locked: false });
  const limit = pLimit(6);
  return Promise.all(repos.map((repo) => limit(() => readRepository(repo, task))));
}

/** Returns what the repositories of a treefile have now. @throws NightlyError `repo-unknown`, `repo-unreachable`. */
export async function offeredPackages(
  treefile: Treefile,
  options: { readonly locked: boolean },
  task: Task,
): Promise<RepoPackage[]> {
  const repos = await treefileRepos(treefile, options);
  const contents = await Promise.all(repos.map((repo) => readRepoContent(repo, task)));
  return contents.flatMap((content) => content.packages);
}
