import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { withTemporaryFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { surveyBuilds } from '../../build/build-store.ts';
import { PROVENANCE_PATH } from '../../engines/provenance/provenance-format.ts';
import { type CommitInfo, readCommit } from '../../ostree/objects.ts';
import { type SeedRequest, seedFrom } from '../../ostree/seed-repo.ts';
import { refuseAlias } from '../../publish/alias-refs.ts';
import { refuseForeign } from '../../publish/foreign-repository.ts';
import { commitIn, readHeads } from '../../publish/heads.ts';
import { type Build, isFetched } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';

/**
 * Pulls the last published commit's record: what the night is compared with, and the parent of its commit. Refuses to
 * start from anything older than what the targets have (I5), and before any work when a target cannot be written to or has a
 * repository that a publish from here would break.
 */
export async function seed(
  project: Project,
  { id, timestamp }: Pick<Build, 'id' | 'timestamp'>,
  task: Task,
): Promise<{ parent?: string }> {
  const { stream, ref, repo, targets } = project;
  await Promise.all(targets.map((target) => target.check(task)));
  const { url, allowNew } = stream.seed;
  const parent = await withSeedTrust(
    project,
    (trust) => seedFrom({ url, ref, repo, ...trust, paths: [PROVENANCE_PATH] }, task),
    task,
  );
  for (const target of targets) {
    const heads = await readHeads(target, ref, task);
    refuseAlias(ref, heads.links, target);
    refuseForeign({ ...heads, signs: project.signer !== undefined }, target);
    const published = commitIn(heads.ref, ref, target);
    if (published !== undefined) refuseOlderSeed(published, parent, target.name, project);
  }
  if (!parent) {
    if (!allowNew) {
      throw new NightlyError('seed', `${url} has no ref ${ref}, and stream "${stream.name}" may not start a new one.`, {
        hint: 'Correct seed.url; for the very first build set seed.allow-new to true.',
        place: project.config.placeOf('streams', stream.name, 'seed'),
      });
    }
    task.say(`no ref ${ref} at ${url} yet: starting a new one`);
    return {};
  }
  if (parent.version === id) {
    // An earlier attempt at this build has published it, and what the step depends on has changed since: a moved URL.
    task.say(`${id} itself is published already (${parent.checksum.slice(0, 12)})`);
    return parent.parent === undefined ? {} : { parent: parent.parent };
  }
  if (parent.timestamp >= timestamp) {
    throw new NightlyError(
      'seed',
      `The published commit ${parent.version ?? parent.checksum} is dated ${date(parent.timestamp)}; by this machine's clock it is ${date(timestamp)}, so clients would see a commit older than theirs.`,
      {
        hint: `Either this machine's clock is behind: correct it, then run again. Or that commit was made by a clock that was ahead: "atomic-nightly retract BUILD --reason TEXT" leads back from it (docs/bad-night.md).`,
      },
    );
  }
  task.say(`following ${parent.version ?? 'commit'} (${parent.checksum.slice(0, 12)})`);
  return { parent: parent.checksum };
}

/**
 * Gives work what the commit must be signed by. What a signing stream builds on is signed with it, the accounts of the tree before
 * among it, so that commit must be signed by its own key as well, or be one that this machine made, as where signing begins (I2).
 */
async function withSeedTrust<Result>(
  { stream, signer, config }: Pick<Project, 'stream' | 'signer' | 'config'>,
  work: (trust: Pick<SeedRequest, 'gpgKeys' | 'isKnown'>) => Promise<Result>,
  task: Task,
): Promise<Result> {
  const { gpgKeys } = stream.seed;
  if (!signer) return work({ gpgKeys });
  const isMadeHere = async (checksum: string): Promise<boolean> => {
    const { builds } = await surveyBuilds(config.work);
    return builds.some(({ meta, paths }) => meta.ostreeCommit === checksum && !isFetched(paths));
  };
  return withTemporaryFolder(async (folder) => {
    const own = join(folder, 'signing-key.gpg');
    await writeFile(own, await signer.clientKey(task));
    // Keys that somebody named for it are asked for whoever made it.
    return work({ gpgKeys: [...gpgKeys, own], ...(gpgKeys.length === 0 && { isKnown: isMadeHere }) });
  });
}

function refuseOlderSeed(published: string, parent: CommitInfo | undefined, target: string, project: Project): void {
  if (published === parent?.checksum) return;
  throw new NightlyError(
    'seed',
    `Target "${target}" has ${published} at ${project.ref}, but ${project.stream.seed.url} serves ${parent?.checksum ?? 'no such ref'}: building on that would go back in time.`,
    { hint: 'Wait until the seed URL has caught up (a mirror or cache lags), or correct seed.url.' },
  );
}

/** Returns the record of the commit a night follows, from the local repo. */
export async function readParent(project: Project, parent: string | undefined): Promise<CommitInfo | undefined> {
  return parent === undefined ? undefined : readCommit(project.repo, parent);
}

const date = (seconds: number): string => new Date(seconds * 1000).toISOString();
