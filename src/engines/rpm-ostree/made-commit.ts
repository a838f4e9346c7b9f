import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { packageLists } from '../../ostree/commit-packages.ts';
import { readCommit } from '../../ostree/objects.ts';
import { packagesIn } from '../../ostree/package-files.ts';
import { writeRewritten } from '../../ostree/rewrite-commit.ts';
import { compareInstalled } from '../../rpm/installed-packages.ts';
import type { PackageId } from '../../rpm/lockfile.ts';
import type { Composed, ComposeRequest } from '../engine.ts';
import { listFolder, type Shown, showCommit } from './repos.ts';

/**
 * Returns the packages of a commit, as rpm-ostree lists them and as the rpm database of the tree has them; either may be
 * unknown. @throws NightlyError unless both are those of the lockfile (I14).
 */
export async function checkedPackages({ repo, lockfile, scratchDir }: ComposeRequest, made: string, task: Task) {
  const { packages } = await readCommit(repo, made);
  if (packages) compareInstalled(packages, lockfile, `The package list of commit ${made}`);
  // The list is what rpm-ostree says; the database is what hosts and scanners will read (I14).
  const folder = join(scratchDir, 'rpm-ostree', 'rpmdb');
  const installed = await packagesIn({ repo, checksum: made }, folder, task).catch((error: unknown) => {
    // rpm-ostree may run in a container, and this machine have an older rpm or none.
    const unable = error instanceof NightlyError && ['tool-missing', 'tool-failed'].includes(error.code);
    if (!unable || packages === undefined) throw error;
    task.say(
      `the rpm database of the tree was not compared with the lockfile, only its package list: ${error.message}`,
    );
    return undefined;
  });
  if (installed) compareInstalled(installed, lockfile, `The rpm database of commit ${made}`);
  return { packages, installed };
}

/** Returns what a commit says of itself. @throws NightlyError `compose` if its parent is not the one that was asked for. */
export async function checkedCommit({ repo, parent, timestamp }: ComposeRequest, made: string, task: Task) {
  const shown = await showCommit(repo, made, task);
  if (shown.parent !== parent) {
    throw new NightlyError('compose', `rpm-ostree gave ${made} the parent ${shown.parent}, not ${parent}.`, {
      hint: 'No other program may write into the work folder; run "atomic-nightly resume".',
    });
  }
  if (shown.timestamp !== timestamp) {
    const date = new Date(shown.timestamp * 1000).toISOString();
    task.say(`this rpm-ostree does not take the build's time (SOURCE_DATE_EPOCH): the commit is dated ${date}`);
  }
  return shown;
}

/** Returns the kernel of a commit, and whether there is an initramfs beside it. */
export async function kernelIn(
  repo: string,
  commit: string,
  task: Task,
): Promise<Pick<Composed, 'kernel' | 'initramfs'>> {
  const [kernel] = await listFolder(repo, commit, '/usr/lib/modules', task);
  const modules = kernel === undefined ? [] : await listFolder(repo, commit, `/usr/lib/modules/${kernel}`, task);
  return { kernel, initramfs: modules.some((name) => name.startsWith('initramfs')) ? 'built' : 'none' };
}

/**
 * Returns the commit with its provenance in the tree, and with the refs it is made for: rpm-ostree names none, so that a client
 * could be given it under another ref, and pulls by collection refuse it. Its time and all else stay as they are.
 * @param about.unlisted the packages of a commit that has no list of them, as old releases make it
 */
export function finishCommit(
  request: ComposeRequest,
  commit: string,
  about: Shown & { readonly rootTree?: string; readonly unlisted?: readonly PackageId[] },
): Promise<string> {
  const { parent, timestamp, rootTree, unlisted } = about;
  const refs = [request.ref, ...(request.alsoBound ?? [])].toSorted();
  return writeRewritten(request.repo, commit, {
    parent,
    timestamp,
    rootTree,
    metadata: {
      'ostree.ref-binding': { type: 'as', value: refs },
      ...packageLists({ packages: unlisted }),
    },
  });
}
