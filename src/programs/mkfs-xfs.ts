import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/**
 * Without what kernels before 5.10 cannot mount (times after 2038, the inode btree counters), and without reflinks, for
 * the host's kernel may be that of CentOS 7.
 */
const FEATURES = ['-m', 'bigtime=0,inobtcount=0,reflink=0', '-i', 'nrext64=0'];

/**
 * Makes an empty XFS file system in a new sparse file.
 * @param label up to 12 characters
 * @throws NightlyError `tool-missing`, `tool-failed`, `disk-full`.
 */
export async function makeXfs(
  request: { readonly file: string; readonly sizeBytes: number; readonly uuid: string; readonly label: string },
  task: Task,
): Promise<void> {
  const { file, sizeBytes, uuid, label } = request;
  const data = `file,name=${file},size=${sizeBytes}`;
  await run('mkfs.xfs', ['-q', '-K', ...FEATURES, '-m', `uuid=${uuid}`, '-L', label, '-d', data], { task });
}
