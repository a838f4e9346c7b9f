import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { caFileFor } from '../base/ca-files.ts';
import { filesBelow } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/** Modes of OSTree repositories this program makes. */
export type RepoMode = 'archive' | 'bare' | 'bare-user' | 'bare-user-only';

/** Makes a repository, or leaves an existing one of that mode as it is. */
export async function initRepo(repo: string, mode: RepoMode, task: Task): Promise<void> {
  await run('ostree', ['init', `--repo=${repo}`, `--mode=${mode}`], { task });
}

/** Sets a value in the `[core]` group of a repository's configuration. */
export async function setCoreOption(repo: string, name: string, value: string, task: Task): Promise<void> {
  await run('ostree', ['config', `--repo=${repo}`, 'set', `core.${name}`, value], { task });
}

export interface CommitRequest {
  readonly repo: string;
  /** Folder with the tree; owners, modes and extended attributes are taken as they are on disk. */
  readonly tree: string;
  /** Recorded in the commit as what it was built for; no ref is moved. */
  readonly bindRefs: readonly string[];
  /** Only recorded; its objects need not be there. */
  readonly parent?: string | undefined;
  /** Seconds since the epoch. */
  readonly timestamp: number;
  /** Key to a value in GVariant text format: `'text'`, `<uint64 1>`, `@as ['a']`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Marks it bootable and records the kernel version found under usr/lib/modules. */
  readonly bootable: boolean;
  /** Label files by the policy in the tree. */
  readonly selinux: boolean;
  /** Take the write bits off executable files. */
  readonly readonlyExecutables: boolean;
  /** Whether new objects must survive a power cut. */
  readonly durable: boolean;
}

/** Commits a folder without moving a ref. @returns the commit's checksum. */
export async function commitTree(request: CommitRequest, task: Task): Promise<string> {
  const { stdout } = await run(
    'ostree',
    [
      'commit',
      `--repo=${request.repo}`,
      `--tree=dir=${request.tree}`,
      '--orphan',
      ...request.bindRefs.map((ref) => `--bind-ref=${ref}`),
      `--parent=${request.parent ?? 'none'}`,
      `--timestamp=@${request.timestamp}`,
      ...Object.entries(request.metadata).map(([key, value]) => `--add-metadata=${key}=${value}`),
      ...(request.bootable ? ['--bootable'] : []),
      ...(request.selinux ? [`--selinux-policy=${request.tree}`] : []),
      ...(request.readonlyExecutables ? ['--mode-ro-executables'] : []),
      `--fsync=${request.durable}`,
    ],
    { task },
  );
  return stdout.trim();
}

/** The version of the program. @throws NightlyError `tool-missing`. */
export async function ostreeVersion(): Promise<string> {
  const { stdout } = await run('ostree', ['--version']);
  return /Version: '?([^'\n]+)/.exec(stdout)?.[1] ?? 'unknown';
}

/** Returns a repository as `ostree pull-local` takes it with a commit: it makes a URL of the path, without escaping anything. */
export const pullLocalPath = (path: string): string => path.replace(/[%#?]/g, encodeURIComponent);

/** Copies a commit with everything in it from one local repository into another, checking each new object. */
export async function pullLocal(
  request: { readonly from: string; readonly to: string; readonly commit: string },
  task: Task,
): Promise<void> {
  const from = pullLocalPath(request.from);
  await run('ostree', ['pull-local', `--repo=${request.to}`, '--untrusted', from, request.commit], { task });
}

/** Writes a commit's tree to a new folder, with owners, modes and extended attributes; needs root. */
export async function checkOut(
  request: { readonly repo: string; readonly commit: string; readonly folder: string },
  task: Task,
): Promise<void> {
  await run('ostree', ['checkout', `--repo=${request.repo}`, request.commit, request.folder], { task });
}

/** Writes a folder of a commit to a new one, as files of the caller. @returns false when the commit has no such folder. */
export async function checkOutPath(
  request: { readonly repo: string; readonly commit: string; readonly path: string; readonly folder: string },
  task: Task,
): Promise<boolean> {
  const { repo, commit, path, folder } = request;
  const options = [`--repo=${repo}`, '--user-mode', `--subpath=${path}`];
  const { exitCode } = await run('ostree', ['checkout', ...options, commit, folder], { task, okExitCodes: [0, 1] });
  return exitCode === 0;
}

/** SHA-256 over a commit's root dirtree and dirmeta; equal for equal trees, whatever the metadata. */
export async function contentChecksum(repo: string, commit: string, task: Task): Promise<string> {
  const { stdout } = await run('ostree', ['show', `--repo=${repo}`, commit], { task });
  return /^ContentChecksum:\s+([0-9a-f]{64})$/m.exec(stdout)?.[1] ?? '';
}

/** Content of a file in a commit, or undefined when the commit or that file is not (wholly) in the repository. */
export async function catFile(repo: string, commit: string, path: string, task: Task): Promise<string | undefined> {
  const result = await run('ostree', ['cat', `--repo=${repo}`, commit, path], {
    task,
    data: true,
    okExitCodes: [0, 1],
  });
  return result.exitCode === 0 ? result.stdout : undefined;
}

/** Makes a ref, or moves it where it is. */
export async function createRef(repo: string, ref: string, commit: string, task: Task): Promise<void> {
  await run('ostree', ['refs', `--repo=${repo}`, '--force', `--create=${ref}`, commit], { task });
}

/** Makes the static delta between two commits, or from scratch, in place of one that is there. */
export async function generateDelta(
  { repo, from, to }: { readonly repo: string; readonly from?: string | undefined; readonly to: string },
  task: Task,
): Promise<void> {
  const start = from === undefined ? '--empty' : `--from=${from}`;
  // It reports on each file it compares; nobody waits for one of these.
  const onLine = () => undefined;
  await run('ostree', ['static-delta', 'generate', `--repo=${repo}`, start, `--to=${to}`], { task, onLine });
}

/** Writes the index that names all deltas to a commit. */
export async function indexDeltas(repo: string, to: string, task: Task): Promise<void> {
  await run('ostree', ['static-delta', 'reindex', `--repo=${repo}`, `--to=${to}`], { task });
}

/** Deletes every object that the commits at the refs themselves do not need; older commits go. */
export async function pruneToRefs(repo: string, task: Task): Promise<void> {
  await run('ostree', ['prune', `--repo=${repo}`, '--refs-only', '--depth=0'], { task });
}

/**
 * Returns the commit a ref or `remote:ref` of a repository points to. @throws NightlyError `tool-failed` when there is
 * none.
 */
export async function resolveRef(repo: string, ref: string, task: Task): Promise<string> {
  return (await run('ostree', ['rev-parse', `--repo=${repo}`, ref], { task })).stdout.trim();
}

/**
 * Adds a remote to a repository's configuration, replacing one of that name. With keys, commits must be signed by one;
 * the summary too where that is asked for.
 */
export async function addRemote(
  request: {
    readonly repo: string;
    readonly name: string;
    readonly url: string;
    readonly gpgKeys: readonly string[];
    readonly signedSummary?: boolean;
  },
  task: Task,
): Promise<void> {
  const { repo, name, url, gpgKeys, signedSummary = false } = request;
  await run('ostree', ['remote', 'delete', `--repo=${repo}`, '--if-exists', name], { task });
  const trust = gpgKeys.length > 0 ? gpgKeys.map((key) => `--gpg-import=${key}`) : ['--no-gpg-verify'];
  if (signedSummary) trust.push('--set=gpg-verify-summary=true');
  const caFile = caFileFor(url);
  if (caFile !== undefined) trust.push(`--set=tls-ca-path=${caFile}`);
  await run('ostree', ['remote', 'add', `--repo=${repo}`, ...trust, name, url], { task });
}

/**
 * Pulls some files of a commit (absolute paths in the tree), those of them that it has, and the folders that lead to
 * them; the commit stays marked as being there in part. Without paths all of it. With `ref`, its ref binding is checked.
 */
export async function pullPaths(
  request: {
    readonly repo: string;
    readonly remote: string;
    readonly ref?: string;
    readonly commit: string;
    readonly paths: readonly string[];
  },
  task: Task,
): Promise<void> {
  const { repo, remote, ref, commit, paths } = request;
  const subpaths = paths.map((path) => `--subpath=${path}`);
  await run(
    'ostree',
    ['pull', `--repo=${repo}`, ...subpaths, remote, ref === undefined ? commit : `${ref}@${commit}`],
    { task },
  );
}

/**
 * Reads every object of a repository and compares it with its checksum. The marks ("f") that an earlier one left at commits
 * that lacked something go before: ostree never takes them back, and would fail because of them, without a look at those
 * commits, when they are whole again (ostree-builtin-fsck.c). @throws NightlyError `tool-failed`
 */
export async function fsck(repo: string, task: Task): Promise<void> {
  const state = join(repo, 'state');
  for (const name of await filesBelow(state)) {
    const path = join(state, name);
    if (name.endsWith('.commitpartial') && (await readFile(path, 'utf8')) === 'f') await rm(path);
  }
  await run('ostree', [`--repo=${repo}`, 'fsck', '--quiet'], { task });
}
