import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/**
 * SELinux labels of what is stored: by the policy in a folder, as the files have them, or none although they have some. On a
 * machine with SELinux every file has one, and nobody can take it away.
 */
export type Labelling = { readonly policy: string } | 'as-they-are' | 'none';

export interface StoreFolderRequest {
  readonly repo: string;
  readonly folder: string;
  /** File with the absolute paths that are left out, one a line; those of folders with all in them. */
  readonly skip: string;
  /** File with `=MODE PATH` lines, decimal. */
  readonly modes: string;
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly labels: Labelling;
}

/**
 * Stores some of a folder's files as objects, with the metadata of all its folders, in a commit that is nobody's: its tree
 * says which object each became. The folder is only read.
 */
export async function storeFolder(request: StoreFolderRequest, task: Task): Promise<string> {
  const { repo, folder, skip, modes, owner, labels } = request;
  const tree = labels === 'none' ? '--tree=tar=/dev/stdin' : `--tree=dir=${folder}`;
  const args = [
    'commit',
    `--repo=${repo}`,
    tree,
    '--orphan',
    '--timestamp=@0',
    `--skip-list=${skip}`,
    `--statoverride=${modes}`,
    ...(owner === undefined ? [] : [`--owner-uid=${owner.uid}`, `--owner-gid=${owner.gid}`]),
    ...(typeof labels === 'string' ? [] : [`--selinux-policy=${labels.policy}`]),
    // Seconds saved. What a power cut damages here is found when it is copied into the archive.
    '--fsync=false',
  ];
  const { stdout } =
    labels === 'none'
      ? await run('bash', ['-o', 'pipefail', '-c', AS_ARCHIVE, 'bash', folder, ...args], { task })
      : await run('ostree', args, { task });
  return stdout.trim();
}

/** ostree takes all extended attributes of a folder or none, but those of an archive as they are: capabilities stay. */
const AS_ARCHIVE = `tar --create --format=pax --numeric-owner --hard-dereference \
  --xattrs --xattrs-include='*' --xattrs-exclude=security.selinux --directory="$1" . | { shift; ostree "$@"; }`;

/** Whether a file has an SELinux label, of whatever policy. */
export async function isLabelled(path: string): Promise<boolean> {
  const { exitCode } = await run('stat', ['--format=%C', '--', path], { okExitCodes: [0, 1] });
  return exitCode === 0;
}
