import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

export interface LabelRequest {
  /** File with the labels by path (selabel_file(5)): a policy's `contexts/files/file_contexts`. */
  readonly contexts: string;
  /** The binary policy that knows those labels; without one the build host's own policy, if it has any, judges them. */
  readonly policy: string | undefined;
  /** Absolute path of the folder that is `/` for the paths in `contexts`. */
  readonly root: string;
  /** `root`, or a folder below it: what is labelled, with all that is in it. */
  readonly path: string;
  /** Absolute paths of folders that are left as they are, with all that is in them. */
  readonly exclude: readonly string[];
}

/**
 * Sets the SELinux label (`security.selinux`) of files, whether or not this machine runs SELinux. Needs root. A path
 * that `contexts` gives `<<none>>`, or does not name, keeps what it has.
 * @throws NightlyError `tool-missing`, `tool-failed` (a label that the policy does not know).
 */
export async function setLabels(request: LabelRequest, task: Task): Promise<void> {
  const { contexts, policy, root, path, exclude } = request;
  const args = [
    // -F: all of the label, not only its type. -m: otherwise it leaves out what lies on a file system without labels,
    // by the mounts of a build host that may have SELinux switched off.
    ...['-F', '-m', '-r', root],
    ...(policy === undefined ? [] : ['-c', policy]),
    ...exclude.flatMap((folder) => ['-e', folder]),
    ...[contexts, path],
  ];
  try {
    await run('setfiles', args, { task });
  } catch (error) {
    if (!(error instanceof NightlyError && error.code === 'tool-missing')) throw error;
    throw new NightlyError(
      'tool-missing',
      'The tree has an SELinux policy, and setfiles is not installed to label by.',
      {
        hint: 'Install it: apt-get install policycoreutils (Fedora: dnf install policycoreutils).',
        cause: error,
      },
    );
  }
}
