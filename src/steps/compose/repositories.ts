import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { readTextIfExists, writeJson } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import type { CommitInfo } from '../../ostree/objects.ts';
import type { RepositoryState } from '../../rpm/repomd.ts';
import type { Project, RpmProject } from '../../run/project.ts';
import { readRepositories } from '../../treefile/treefile-repos.ts';
import { checkMetadataClock } from './clock.ts';
import { provenanceFormat } from './tree-unchanged.ts';

/** What a finished look at the repositories led to: equal inputs need no depsolve. */
interface KnownInputs {
  readonly commit: string;
  readonly engine: string;
  readonly treefile: string;
  /** What the tree's provenance is made by. */
  readonly provenance: string;
  /** Repository id to SHA-256 of its repomd.xml. */
  readonly repomd: Readonly<Record<string, string>>;
}

export interface Repositories {
  readonly states: readonly RepositoryState[];
  /** Nothing a depsolve would look at differs from when the parent was found to be current. */
  readonly unchanged: boolean;
}

/**
 * Reads each repository's repomd.xml, refuses metadata older than what the parent was made from (a mirror that lags),
 * and decides from checksums alone whether anything can have changed.
 */
export async function checkRepositories(
  project: RpmProject,
  parent: CommitInfo | undefined,
  task: Task,
): Promise<Repositories> {
  const states = await readRepositories(project.treefile, task);
  await checkMetadataClock(project, states, task.signal);
  for (const state of states) {
    refuseStale(state, parent, task);
    refuseOld(state, project);
  }
  const known = await readTextIfExists(knownInputsPath(project));
  const unchanged = parent !== undefined && known === knownInputs(project, states, parent.checksum);
  if (unchanged) task.say('treefile and repomd.xml checksums are the same as those of the published commit');
  return { states, unchanged };
}

/** Remembers that `commit` is what these inputs give. */
export async function rememberInputs(
  project: RpmProject,
  states: readonly RepositoryState[],
  commit: string,
): Promise<void> {
  await writeJson(knownInputsPath(project), JSON.parse(knownInputs(project, states, commit)));
}

const knownInputsPath = (project: RpmProject): string => join(project.cacheDir, 'known-inputs.json');

function knownInputs(project: RpmProject, states: readonly RepositoryState[], commit: string): string {
  const inputs: KnownInputs = {
    commit,
    engine: `${project.engine.name} ${project.engine.version}`,
    treefile: project.treefile.digest,
    provenance: provenanceFormat(project.stream),
    repomd: Object.fromEntries(states.map(({ id, sha256 }) => [id, sha256])),
  };
  return `${JSON.stringify(inputs, null, 2)}\n`;
}

/**
 * Refuses metadata older than that which the parent was made from (I5).
 * @throws NightlyError `repo-stale`.
 */
export function refuseStale({ id, generated, url }: RepositoryState, parent: CommitInfo | undefined, task: Task): void {
  const before = parent?.repoTimestamps?.[id];
  if (before === undefined) {
    if (parent?.repoTimestamps !== undefined) {
      task.say(
        `the published commit names no time for repository "${id}": whether its mirror lags behind is not known`,
      );
    }
    return;
  }
  if (generated >= before) return;
  throw new NightlyError(
    'repo-stale',
    `Repository "${id}" at ${url} has metadata of ${date(generated)}, but the published commit was made from metadata of ${date(before)}: the mirror lags behind.`,
    { hint: 'Run again later, or point the .repo file to a mirror that is up to date.' },
  );
}

function refuseOld({ id, generated, url }: RepositoryState, { stream }: Project): void {
  const { maxMetadataAgeSeconds: limit } = stream;
  const age = Math.floor(Date.now() / 1000) - generated;
  if (limit === undefined || age <= limit) return;
  throw new NightlyError(
    'repo-stale',
    `Repository "${id}" at ${url} has metadata of ${date(generated)}, ${Math.floor(age / 3600)} hours old; the stream allows ${Math.floor(limit / 3600)} hours.`,
    { hint: 'Find out why the repository is not updated, or raise max-metadata-age.' },
  );
}

const date = (seconds: number): string => new Date(seconds * 1000).toISOString();
