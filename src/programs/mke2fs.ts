import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

export interface Ext4Request {
  /** An existing (sparse) file and where in it the file system goes. */
  readonly file: string;
  readonly offsetBytes: number;
  /** A multiple of 4096. */
  readonly sizeBytes: number;
  readonly uuid: string;
  /** Seeds the folder hashes, which decide the order of entries in large folders. */
  readonly hashSeed: string;
  readonly label: string;
  /** The folder copied in, with owners, modes, links and extended attributes as they are. */
  readonly root: string;
  /** Seconds since the epoch: time of creation. */
  readonly timestamp: number;
}

const BLOCK_BYTES = 4096;

/**
 * The features are named, and the host's /etc/mke2fs.conf left out, so that every build host makes the same file
 * system. Not among them: metadata_csum_seed and orphan_file, which e2fsprogs 1.47 turns on by default and GRUB 2.06
 * refuses to read.
 */
export const EXT4_FEATURES =
  'none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum';

/**
 * Makes an ext4 file system with the content of a folder inside a file, without mounting anything.
 * @throws NightlyError `tool-missing`, `tool-failed`, `disk-full`.
 */
export async function makeExt4(request: Ext4Request, task: Task): Promise<void> {
  const extended = [
    `offset=${request.offsetBytes}`,
    `hash_seed=${request.hashSeed}`,
    'nodiscard',
    'root_owner=0:0',
    // The file is all zeros already, so neither this program nor the booted host has to write zeros.
    (await knowsPrezeroed(task)) ? 'assume_storage_prezeroed=1' : 'lazy_itable_init=0,lazy_journal_init=0',
  ];
  await run(
    'mke2fs',
    [
      ...['-q', '-F', '-t', 'ext4', '-O', EXT4_FEATURES],
      ...['-b', String(BLOCK_BYTES), '-I', '256', '-i', '16384', '-m', '1'],
      ...['-U', request.uuid, '-L', request.label, '-E', extended.join(',')],
      ...['-d', request.root, request.file, String(request.sizeBytes / BLOCK_BYTES)],
    ],
    {
      task,
      env: {
        MKE2FS_CONFIG: '/dev/null',
        // 1.47.0 knows only the first of the two; 1.47.1 and later prefer the second.
        E2FSPROGS_FAKE_TIME: String(request.timestamp),
        SOURCE_DATE_EPOCH: String(request.timestamp),
      },
    },
  );
}

/** `assume_storage_prezeroed` came with e2fsprogs 1.47.0; an unknown option ends mke2fs. */
async function knowsPrezeroed(task: Task): Promise<boolean> {
  const { stderr } = await run('mke2fs', ['-V'], { task });
  const [, major = '0', minor = '0'] = /mke2fs (\d+)\.(\d+)/.exec(stderr) ?? [];
  return Number(major) > 1 || (Number(major) === 1 && Number(minor) >= 47);
}
