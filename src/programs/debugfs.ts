import { debugfsWord } from '../base/quoting.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';
import { unknownListing } from './unknown-listing.ts';

/** Reads an ext2/3/4 file system inside a file through e2fsprogs' debugfs, without mounting it. */
export interface Ext4InFile {
  readonly file: string;
  readonly offsetBytes: number;
}

export interface Ext4Entry {
  readonly name: string;
  readonly type: 'file' | 'folder' | 'link' | 'other';
  readonly size: number;
}

const S_IFMT = 0o170000;

/** `/inode/mode/uid/gid/name/size/` with an empty size for folders. A name has no slash, but may have line breaks. */
const LISTED = /^\/(\d+)\/(\d+)\/\d+\/\d+\/([^/]*)\/(\d*)\/$/gm;

/**
 * Returns the entries of a folder without `.` and `..`; undefined when there is no such folder.
 * @throws NightlyError `image` when some of the list cannot be read.
 */
export async function listFolder(fs: Ext4InFile, path: string, task: Task): Promise<Ext4Entry[] | undefined> {
  const { stdout, stderr } = await debugfs(fs, `ls -p ${debugfsWord(path)}`, task);
  if (/File not found by ext2_lookup|Ext2 inode is not a directory/.test(stderr)) return undefined;
  return parseLs(stdout);
}

/**
 * Returns the entries of a folder that `ls -p` of debugfs lists.
 * @throws NightlyError `image` when some of the list cannot be read.
 */
export function parseLs(printed: string): Ext4Entry[] {
  const entries: Ext4Entry[] = [];
  const rest = printed.replaceAll(LISTED, (_, inode: string, mode: string, name: string, size: string) => {
    const isEntry = inode !== '0' && name !== '.' && name !== '..';
    if (isEntry) entries.push({ name, type: typeOf(Number.parseInt(mode, 8)), size: Number(size || '0') });
    return '';
  });
  if (rest.trim() !== '') throw unknownListing('debugfs', rest);
  return entries;
}

/** Returns a text file's content, or undefined when there is none. */
export async function readText(fs: Ext4InFile, path: string, task: Task): Promise<string | undefined> {
  const { stdout, stderr } = await debugfs(fs, `cat ${debugfsWord(path)}`, task);
  return /File not found by ext2_lookup/.test(stderr) ? undefined : stdout;
}

function debugfs(fs: Ext4InFile, request: string, task: Task) {
  return run('debugfs', ['-R', request, `${fs.file}?offset=${fs.offsetBytes}`], { task, data: true });
}

function typeOf(mode: number): Ext4Entry['type'] {
  const bits = mode & S_IFMT;
  if (bits === 0o100000) return 'file';
  if (bits === 0o040000) return 'folder';
  return bits === 0o120000 ? 'link' : 'other';
}

/** Returns the path of the file that a byte of the file system belongs to; undefined for free space and metadata. */
export async function pathAt(fs: Ext4InFile, byte: number, task: Task): Promise<string | undefined> {
  const blockBytes = /^Block size:\s+(\d+)/m.exec((await debugfs(fs, 'show_super_stats -h', task)).stdout)?.[1];
  if (blockBytes === undefined) return undefined;
  const block = Math.floor(byte / Number(blockBytes));
  const inode = /^\d+\s+(\d+)$/m.exec((await debugfs(fs, `icheck ${block}`, task)).stdout)?.[1];
  if (inode === undefined) return undefined;
  return /^\d+\s+(.+)$/m.exec((await debugfs(fs, `ncheck ${inode}`, task)).stdout)?.[1];
}
