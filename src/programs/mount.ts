import { mountsIn } from '../base/mounts.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/**
 * Copies a folder's content into a file system that lies inside a file, with owners, modes, links and extended
 * attributes. The kernel mounts it for that, through a loop device, in a mount namespace of its own: both are gone when
 * the program ends, however it ends. Needs root and a kernel that knows the file system.
 * @param mountPoint an empty folder
 * @throws NightlyError `tool-failed`, `disk-full`.
 */
export async function copyIntoFileSystem(
  request: {
    readonly file: string;
    readonly offsetBytes: number;
    readonly sizeBytes: number;
    readonly type: 'xfs';
    readonly from: string;
    readonly mountPoint: string;
  },
  task: Task,
): Promise<void> {
  const { file, offsetBytes, sizeBytes, type, from, mountPoint } = request;
  const options = `loop,offset=${offsetBytes},sizelimit=${sizeBytes}`;
  const script = 'mount -t "$1" -o "$2" "$3" "$5"; cp -a "$4/." "$5/"; umount "$5"';
  const inNamespace = ['--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh'];
  await run('unshare', [...inNamespace, type, options, file, from, mountPoint], { task });
}

/**
 * Unmounts what somebody left mounted in a folder, the folder itself included; also where a run is being stopped. Lazily, because
 * the program behind a FUSE mount may be gone.
 * @throws NightlyError `tool-failed`.
 */
export async function unmountIn(folder: string): Promise<void> {
  for (const mount of await mountsIn(folder)) await run('umount', ['--lazy', mount]);
}
