import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { readTextIfExists } from '../base/files.ts';
import { oneLine } from '../base/one-line.ts';
import type { Task } from '../base/task.ts';
import { PROVENANCE_FILE } from '../build/build-files.ts';
import { isBuildId } from '../build/build-id.ts';
import { findBuild } from '../build/build-store.ts';
import { type Provenance, parseProvenance } from '../engines/provenance/provenance-format.ts';
import { commitProvenance } from '../engines/provenance/read-provenance.ts';
import { isChecksum, readCommit, readRef } from '../ostree/objects.ts';
import { isRef } from '../ostree/ref.ts';

/**
 * Returns what the tree of a build, of a commit of the local repository, or of the commit at one of its refs is made of.
 * @throws NightlyError `not-found` when there is no such thing, or its tree does not say it; `record`, `usage`.
 */
export async function openProvenance(work: string, name: string, task: Task): Promise<Provenance> {
  if (isBuildId(name)) return provenanceOfBuild(work, name, task);
  const repo = join(work, 'repo');
  const commit = isChecksum(name) ? name : isRef(name) ? await readRef(repo, name) : undefined;
  if (commit === undefined) {
    throw new NightlyError('usage', `"${oneLine(name)}" is not a build id, a commit or a ref in ${repo}.`, {
      hint: 'Build ids look like 20261121_01, commits have 64 hex digits; "atomic-nightly list" shows the builds.',
    });
  }
  // A commit that is not there is told from a tree that says nothing.
  await readCommit(repo, commit);
  return (await commitProvenance(repo, commit, task)) ?? saysNothing(`commit ${commit}`);
}

async function provenanceOfBuild(work: string, id: string, task: Task): Promise<Provenance> {
  const { paths, meta } = await findBuild(work, id);
  const file = join(paths.dir, PROVENANCE_FILE);
  const text = await readTextIfExists(file);
  if (text !== undefined) return parseProvenance(text, file);
  const commit = meta.ostreeCommit;
  const found = commit === undefined ? undefined : await commitProvenance(join(work, 'repo'), commit, task);
  return found ?? saysNothing(`build ${id}`);
}

function saysNothing(what: string): never {
  throw new NightlyError('not-found', `There is no provenance of ${what}: its tree does not say what it is made of.`, {
    hint: 'It was made before trees had a provenance, has no tree, or its tree is not here as a whole. "atomic-nightly show" and lockfile.json name its packages.',
  });
}
