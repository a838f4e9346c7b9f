import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../errors.ts';
import { readCommit } from '../../ostree/objects.ts';
import { writeRewritten } from '../../ostree/rewrite-commit.ts';
import type { PackageId } from '../../rpm/lockfile.ts';
import { commitTree, contentChecksum, createRef, initRepo, pruneToRefs, pullLocal } from '../../tools/ostree.ts';
import type { Task } from '../../tools/task.ts';
import type { TreefileValues } from '../../treefile/keys.ts';
import type { ComposeRequest } from '../engine.ts';
import { gvariantText, gvariantTime, variantOfJson } from './gvariant.ts';

/**
 * Commits a tree into the cache's bare-user repository, which is quick as nothing is compressed and what was there last night
 * is only hashed.
 */
export async function commitToCache(
  request: ComposeRequest,
  tree: { readonly root: string; readonly kver: string | undefined; readonly packages: readonly PackageId[] },
  task: Task,
): Promise<string> {
  const repo = cacheRepo(request.cacheDir);
  await mkdir(repo, { recursive: true });
  await initRepo(repo, 'bare-user', task);
  const { values } = request.treefile;
  const commit = await commitTree(
    {
      repo,
      tree: tree.root,
      bindRefs: [request.ref, ...(request.alsoBound ?? [])],
      ...(request.parent === undefined ? {} : { parent: request.parent }),
      timestamp: request.timestamp,
      metadata: commitMetadata(request, tree.packages),
      bootable: tree.kver !== undefined,
      selinux: values.selinux !== false,
      readonlyExecutables: values['readonly-executables'] === true,
      // Seconds saved. What a power cut damages here is found when it is copied into the archive.
      durable: false,
    },
    task,
  );
  return withTreefileMetadata(repo, commit, request);
}

/** The commit with the treefile's `add-commit-metadata`, whose numbers `ostree commit` cannot be given as they are to be. */
async function withTreefileMetadata(repo: string, commit: string, request: ComposeRequest): Promise<string> {
  const added = Object.entries(request.treefile.values['add-commit-metadata'] ?? {});
  if (added.length === 0) return commit;
  const { metadata } = await readCommit(repo, commit);
  // What the build itself writes has precedence.
  const own = added.filter(([key]) => !metadata.has(key)).map(([key, value]) => [key, variantOfJson(value)]);
  const { parent, timestamp } = request;
  return writeRewritten(repo, commit, { parent, timestamp, metadata: Object.fromEntries(own) });
}

/** Copies the commit into the archive repository, compressing what is new there. @returns its content checksum. */
export async function publishCommit(request: ComposeRequest, commit: string, task: Task): Promise<string> {
  const from = cacheRepo(request.cacheDir);
  try {
    await pullLocal({ from, to: request.repo, commit }, task);
  } catch (error) {
    // Should the cache be what is broken, the next try starts with a new one; it costs that try some time at most.
    if (!task.signal.aborted) await rm(from, { recursive: true, force: true });
    throw error;
  }
  const checksum = await contentChecksum(from, commit, task);
  if (checksum === '') throw new NightlyError('ostree', `ostree does not say the content checksum of ${commit}.`);
  return checksum;
}

/** Lets the cache's repository keep this commit only: the next night shares most of its objects. */
export async function keepOnly(cacheDir: string, commit: string, task: Task): Promise<void> {
  const repo = cacheRepo(cacheDir);
  await createRef(repo, 'last', commit, task);
  await pruneToRefs(repo, task);
}

const cacheRepo = (cacheDir: string): string => join(cacheDir, 'repo');

/**
 * The metadata rpm-ostree writes, with its types, then the treefile's own and the build's. `repo` data: id and time of
 * generation of each repository; `pkglist`: name, epoch, version, release, arch, sorted by name.
 */
export function commitMetadata(request: ComposeRequest, packages: readonly PackageId[]): Record<string, string> {
  const { values } = request.treefile;
  return {
    ...treefileMetadata(values),
    ...Object.fromEntries(Object.entries(request.metadata).map(([key, value]) => [key, gvariantText(value)])),
    version: gvariantText(request.version),
    'rpmostree.inputhash': gvariantText(request.inputHash),
    'rpmostree.rpmmd-repos': reposVariant(request.repoTimestamps),
    'rpmostree.rpmdb.pkglist': packagesVariant(packages),
  };
}

function treefileMetadata(values: TreefileValues): Record<string, string> {
  const command = values['container-cmd'];
  const initramfs = values['initramfs-args'];
  return {
    // Clients that make an initramfs of their own use the same arguments.
    ...(initramfs ? { 'rpmostree.initramfs-args': `@as [${initramfs.map(gvariantText).join(', ')}]` } : {}),
    ...(command ? { 'ostree.container-cmd': `@as [${command.map(gvariantText).join(', ')}]` } : {}),
  };
}

function reposVariant(timestamps: Readonly<Record<string, number>>): string {
  const entries = Object.entries(timestamps).map(
    ([id, seconds]) => `{'id': <${gvariantText(id)}>, 'timestamp': <${gvariantTime(seconds)}>}`,
  );
  return `@aa{sv} [${entries.join(', ')}]`;
}

function packagesVariant(packages: readonly PackageId[]): string {
  const tuples = packages.map(
    ({ name, epoch, version, release, arch }) =>
      `(${[name, epoch, version, release, arch].map(gvariantText).join(',')})`,
  );
  const text = `@a(sssss) [${tuples.join(',')}]`;
  // A single argument of a program holds 128 KiB at most (MAX_ARG_STRLEN): some 2500 packages.
  if (text.length > 130_000) {
    throw new NightlyError(
      'unsupported',
      `The tree has ${tuples.length} packages, more than can be recorded in a commit.`,
      {
        hint: 'Compose trees of more than about 2500 packages with rpm-ostree.',
      },
    );
  }
  return text;
}
