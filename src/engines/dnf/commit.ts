import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { packageLists } from '../../ostree/commit-packages.ts';
import { addDetached } from '../../ostree/detached.ts';
import { swap32, swap64, type Variant } from '../../ostree/gvariant.ts';
import { readCommit } from '../../ostree/objects.ts';
import { writeRewritten } from '../../ostree/rewrite-commit.ts';
import { commitTree, contentChecksum, createRef, initRepo, pruneToRefs, pullLocal } from '../../programs/ostree.ts';
import type { PackageId } from '../../rpm/lockfile.ts';
import type { TreefileValues } from '../../treefile/treefile-keys.ts';
import type { ComposeRequest } from '../engine.ts';
import { gvariantText, variantOfJson } from './commit-gvariant.ts';
import type { Advisory } from './dnf-request.ts';

/** A tree that is ready, with what its commit says of it. */
export interface CommittedTree {
  readonly root: string;
  readonly kver: string | undefined;
  readonly packages: readonly PackageId[];
  readonly advisories: readonly Advisory[];
}

/**
 * Commits a tree into the cache's bare-user repository, which is quick as nothing is compressed and what was there last night
 * is only hashed.
 */
export async function commitToCache(request: ComposeRequest, tree: CommittedTree, task: Task): Promise<string> {
  const repo = cacheRepo(request.cacheDir);
  await makeFolder(repo);
  await initRepo(repo, 'bare-user', task);
  const { values } = request.treefile;
  const commit = await commitTree(
    {
      repo,
      tree: tree.root,
      bindRefs: [request.ref, ...(request.alsoBound ?? [])],
      parent: request.parent,
      timestamp: request.timestamp,
      metadata: commitMetadata(request),
      bootable: tree.kver !== undefined,
      selinux: values.selinux !== false,
      readonlyExecutables: values['readonly-executables'] === true,
      // Seconds saved. What a power cut damages here is found when it is copied into the archive.
      durable: false,
    },
    task,
  );
  return withOwnMetadata(repo, commit, request, tree);
}

/**
 * Returns the commit with what `ostree commit` cannot be given: the package list and advisories, which may be longer
 * than an argument of a program (128 KiB), and what has numbers, which it would write in the machine's byte order.
 */
async function withOwnMetadata(
  repo: string,
  commit: string,
  request: ComposeRequest,
  { packages, advisories }: Pick<CommittedTree, 'packages' | 'advisories'>,
): Promise<string> {
  const { metadata } = await readCommit(repo, commit);
  const added = Object.entries(request.treefile.values['add-commit-metadata'] ?? {});
  // What the build itself writes has precedence.
  const own = added.filter(([key]) => !metadata.has(key)).map(([key, value]) => [key, variantOfJson(value)] as const);
  const { parent, timestamp } = request;
  return writeRewritten(repo, commit, {
    parent,
    timestamp,
    metadata: {
      ...Object.fromEntries(own),
      ...packageLists({ packages }),
      ...(isDetached(request) ? {} : { 'rpmostree.rpmmd-repos': reposVariant(request.repoTimestamps) }),
      ...(advisoriesTarget(request) === 'inline' ? advisoriesMetadata(advisories) : {}),
    },
  });
}

const isDetached = ({ treefile }: ComposeRequest): boolean => treefile.values['repo-metadata'] === 'detached';

/** Where a commit has its advisories. As in rpm-ostree, they are inline unless the treefile says otherwise. */
const advisoriesTarget = ({ treefile }: ComposeRequest) => treefile.values['advisories-metadata'] ?? 'inline';

function advisoriesMetadata(advisories: readonly Advisory[]): Record<string, Variant> {
  return advisories.length === 0 ? {} : { 'rpmostree.advisories': advisoriesVariant(advisories) };
}

/** Returns what the treefile wants beside the commit, where it does not change its name. */
function detachedMetadata(request: ComposeRequest, advisories: readonly Advisory[]): Record<string, Variant> {
  return {
    ...(isDetached(request) ? { 'rpmostree.rpmmd-repos': reposVariant(request.repoTimestamps) } : {}),
    ...(advisoriesTarget(request) === 'detached' ? advisoriesMetadata(advisories) : {}),
  };
}

/** Copies the commit into the archive repository, compressing what is new there. @returns its content checksum. */
export async function publishCommit(
  request: ComposeRequest,
  commit: string,
  advisories: readonly Advisory[],
  task: Task,
): Promise<string> {
  const from = cacheRepo(request.cacheDir);
  try {
    await pullLocal({ from, to: request.repo, commit }, task);
  } catch (error) {
    // Should the cache be what is broken, the next try starts with a new one; it costs that try some time at most.
    if (!task.signal.aborted) await rm(from, { recursive: true, force: true });
    throw error;
  }
  await addDetached(request.repo, commit, detachedMetadata(request, advisories));
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

/** Returns the strings among the metadata: rpm-ostree's and the build's. */
function commitMetadata(request: ComposeRequest): Record<string, string> {
  const { values } = request.treefile;
  return {
    ...treefileMetadata(values),
    ...Object.fromEntries(Object.entries(request.metadata).map(([key, value]) => [key, gvariantText(value)])),
    version: gvariantText(request.version),
    'rpmostree.inputhash': gvariantText(request.inputHash),
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

/** Id of each repository, and when its metadata was made: big-endian, whatever the machine. */
function reposVariant(timestamps: Readonly<Record<string, number>>): Variant {
  const entries = Object.entries(timestamps).map(([id, seconds]) => [
    ['id', { type: 's', value: id }],
    ['timestamp', { type: 't', value: swap64(BigInt(seconds)) }],
  ]);
  return { type: 'aa{sv}', value: entries };
}

/** `DNF_ADVISORY_KIND_SECURITY` of libdnf: no others are recorded. */
const SECURITY = 1;

/** Severities of rpm-ostree's `RpmOstreeAdvisorySeverity`; any other word is its 0, "none". */
const SEVERITIES = ['NONE', 'LOW', 'MODERATE', 'IMPORTANT', 'CRITICAL'];

/**
 * Encodes advisories for rpm-ostree's clients (`RPMOSTREE_UPDATE_ADVISORY_GVARIANT_FORMAT`), big-endian like all
 * numbers of a commit.
 */
function advisoriesVariant(advisories: readonly Advisory[]): Variant {
  const value = advisories.map(({ id, severity, packages, references }) => [
    id,
    swap32(SECURITY),
    swap32(Math.max(0, SEVERITIES.indexOf(severity.toUpperCase()))),
    packages,
    [['cve_references', { type: 'a(ss)', value: references }]],
  ]);
  return { type: 'a(suuasa{sv})', value };
}
