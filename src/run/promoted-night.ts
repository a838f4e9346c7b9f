import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import type { BuildMeta } from '../build/build-record.ts';
import { findBuild } from '../build/build-store.ts';
import { isPublishedState } from '../build/outcomes.ts';
import { type Lockfile, readLockfile } from '../rpm/lockfile.ts';
import { readTreefile } from '../treefile/read.ts';

/** A night that is promoted, with what its tree was made from. */
export interface Night {
  readonly id: string;
  readonly commit: string;
  readonly meta: BuildMeta;
  readonly lockfile: Lockfile;
  /** Absolute path of the top treefile in the night's own copy; undefined for a tree that others made. */
  readonly treefile: string | undefined;
  /** Time of its commit and of everything in its tree, in seconds since the epoch. */
  readonly timestamp: number;
}

/**
 * Opens a night by its build id.
 * @throws NightlyError `not-found`, `usage` when it is not a night with a commit, `treefile` when its treefile cannot be had.
 */
export async function openPromotedNight(work: string, id: string): Promise<Night> {
  const { meta, paths } = await findBuild(work, id).catch((error: unknown) => {
    throw isNotFound(error) ? lostNight(work, id, error) : error;
  });
  const { of } = meta.promotion ?? {};
  if (of !== undefined) {
    throw new NightlyError('usage', `Build ${id} is a promotion of nightly build ${of} itself.`, {
      hint: `To promote that nightly build again: "atomic-nightly promote ${of}".`,
    });
  }
  const { by, reason } = meta.retracted ?? {};
  if (by !== undefined) {
    throw new NightlyError('usage', `Nightly build ${id} was retracted by ${by}: ${reason}`, {
      hint: 'Promote another: "atomic-nightly list" shows the builds there are.',
    });
  }
  const { previous } = meta.retraction ?? {};
  if (previous !== undefined) {
    throw new NightlyError('usage', `Build ${id} only has the tree of night ${previous} again.`, {
      hint: `Promote that: "atomic-nightly promote ${previous}".`,
    });
  }
  const commit = meta.ostreeCommit;
  const state = meta.state;
  if (commit === undefined || !isPublishedState(state)) {
    throw new NightlyError('usage', `Build ${id} is ${state}: only a published nightly build can be promoted.`, {
      hint: '"atomic-nightly list" lists the nightly builds.',
    });
  }
  const timestamp = Date.parse(meta.ostreeTimestamp) / 1000;
  const made = meta.engine?.name;
  if (made === 'checkout' || made === 'command') {
    return { id, commit, meta, lockfile: await readLockfile(paths.lockfile), treefile: undefined, timestamp };
  }
  const copy = meta.treefileCopy;
  const treefile = copy === undefined ? undefined : join(paths.treefileCopy, copy);
  const lockfile = existsSync(paths.lockfile) ? await readLockfile(paths.lockfile) : undefined;
  if (treefile === undefined || lockfile === undefined) {
    throw new NightlyError(
      'not-found',
      `Nightly build ${id} has no lockfile or no copy of its treefile in ${paths.dir}.`,
      {
        hint: 'Bring the folder back from a backup, or run a new nightly build and promote that.',
      },
    );
  }
  const { digest } = await readTreefile(treefile, { basearch: meta.basearch });
  if (digest !== meta.treefileDigest) {
    throw new NightlyError(
      'treefile',
      `The treefile of nightly build ${id} is lost: its copy ${treefile} no longer reads as it did then.`,
      {
        hint: 'It names files by absolute paths that changed since, or the copy was changed. Put them back as they were.',
      },
    );
  }
  return { id, commit, meta, lockfile, treefile, timestamp };
}

const isNotFound = (error: unknown): boolean => error instanceof NightlyError && error.code === 'not-found';

/** A target has the night's record and lockfile, but not the copy of its treefile. */
function lostNight(work: string, id: string, cause: unknown): NightlyError {
  return new NightlyError(
    'not-found',
    `There is no record of nightly build ${id} in ${join(work, 'builds')}, and what is promoted is made from the record, lockfile and treefile kept there.`,
    {
      hint: `Bring builds/${id} back from a backup of ${work}, promote on the machine that made that build, or promote another one: see "atomic-nightly list".`,
      cause,
    },
  );
}
