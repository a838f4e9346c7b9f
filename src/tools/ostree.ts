import { run } from './exec.ts';
import type { Task } from './task.ts';

/** Modes of OSTree repositories this program makes. */
export type RepoMode = 'archive' | 'bare-user';

/** Makes a repository, or leaves an existing one of that mode as it is. */
export async function initRepo(repo: string, mode: RepoMode, task: Task): Promise<void> {
  await run('ostree', ['init', `--repo=${repo}`, `--mode=${mode}`], { task });
}

export interface CommitRequest {
  readonly repo: string;
  /** Folder with the tree; owners, modes and extended attributes are taken as they are on disk. */
  readonly tree: string;
  /** Recorded in the commit as what it was built for; the ref itself is not moved. */
  readonly bindRef: string;
  /** Only recorded; its objects need not be there. */
  readonly parent?: string;
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
      `--bind-ref=${request.bindRef}`,
      `--parent=${request.parent ?? 'none'}`,
      `--timestamp=@${request.timestamp}`,
      ...Object.entries(request.metadata).map(([key, value]) => `--add-metadata=${key}=${value}`),
      ...(request.bootable ? ['--bootable'] : []),
      ...(request.selinux ? [`--selinux-policy=${request.tree}`] : []),
      ...(request.readonlyExecutables ? ['--mode-ro-executables'] : []),
    ],
    { task },
  );
  return stdout.trim();
}

/** Copies a commit with everything in it from one local repository into another, checking each new object. */
export async function pullLocal(
  request: { readonly from: string; readonly to: string; readonly commit: string },
  task: Task,
): Promise<void> {
  await run('ostree', ['pull-local', `--repo=${request.to}`, '--untrusted', request.from, request.commit], { task });
}

/** SHA-256 over a commit's root dirtree and dirmeta; equal for equal trees, whatever the metadata. */
export async function contentChecksum(repo: string, commit: string, task: Task): Promise<string> {
  const { stdout } = await run('ostree', ['show', `--repo=${repo}`, commit], { task });
  return /^ContentChecksum:\s+([0-9a-f]{64})$/m.exec(stdout)?.[1] ?? '';
}

/** Content of a file in a commit, or undefined when the commit or that file is not (wholly) in the repository. */
export async function catFile(repo: string, commit: string, path: string, task: Task): Promise<string | undefined> {
  const result = await run('ostree', ['cat', `--repo=${repo}`, commit, path], { task, okExitCodes: [0, 1] });
  return result.exitCode === 0 ? result.stdout : undefined;
}

/** Makes a ref, or moves it where it is. */
export async function createRef(repo: string, ref: string, commit: string, task: Task): Promise<void> {
  await run('ostree', ['refs', `--repo=${repo}`, '--force', `--create=${ref}`, commit], { task });
}

/** Deletes every object that the commits at the refs themselves do not need; older commits go. */
export async function pruneToRefs(repo: string, task: Task): Promise<void> {
  await run('ostree', ['prune', `--repo=${repo}`, '--refs-only', '--depth=0'], { task });
}
