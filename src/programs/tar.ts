import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

export interface TarRequest {
  readonly archive: string;
  /** Folder that holds the members. */
  readonly folder: string;
  /** File names in the order they are to have in the archive. */
  readonly members: readonly string[];
  /** Seconds since the epoch, for every member. */
  readonly timestamp: number;
  /** Whether to compress the archive as a whole with gzip. */
  readonly gzip: boolean;
  /** Whether modes are those of the files, and names may be long (GNU's format); default: 0644, and names as POSIX.1-1988 has them. */
  readonly keepModes?: boolean;
}

/** The size field of a ustar header (POSIX.1-1988) has eleven octal digits. */
const LARGEST_MEMBER = 8 ** 11 - 1;

/** GNU tar's record, the unit its checkpoints count in. */
const RECORD_BYTES = 10_240;
const RECORDS_PER_REPORT = 3200;

/**
 * Writes regular files into a ustar archive: owner 0:0, mode 0644 unless asked otherwise. Equal files, order and time stamp give equal bytes;
 * therefore gzip and never pigz, whose deflate streams differ from gzip's. Progress counts the bytes of the members.
 * @throws NightlyError `image` (a member is too large for the format), `tool-missing`, `tool-failed`, `disk-full`.
 */
export async function makeTar(request: TarRequest, task: Task): Promise<void> {
  const total = await totalSize(request);
  await run(
    'tar',
    [
      ...['--create', '--owner=0', '--group=0', '--numeric-owner'],
      ...(request.keepModes === true ? ['--format=gnu'] : ['--format=ustar', '--mode=0644']),
      ...[`--mtime=@${request.timestamp}`, `--checkpoint=${RECORDS_PER_REPORT}`, '--checkpoint-action=echo=%u'],
      // -n: gzip would put the time of the run into its header.
      ...(request.gzip ? ['--use-compress-program=gzip -n'] : []),
      ...[`--file=${request.archive}`, `--directory=${request.folder}`, '--', ...request.members],
    ],
    {
      task,
      onLine: (line) => {
        const records = /^tar: (\d+)$/.exec(line)?.[1];
        if (records) task.progress(Math.min(Number(records) * RECORD_BYTES, total), total, 'bytes');
      },
    },
  );
  task.progress(total, total, 'bytes');
}

async function totalSize(request: TarRequest): Promise<number> {
  let total = 0;
  for (const member of request.members) {
    const { size } = await stat(join(request.folder, member));
    if (size > LARGEST_MEMBER) {
      throw new NightlyError('image', `${member} has ${size} bytes; a ustar archive takes files below 8 GiB.`, {
        hint: 'Make the content of the disk smaller: fewer packages, or none of the data that hosts can fetch themselves.',
      });
    }
    total += size;
  }
  return total;
}

/** Unpacks an archive, gzipped or not, into a folder; holes in files become holes again. */
export async function unpackTar(archive: string, folder: string, task: Task): Promise<void> {
  await run('tar', ['--extract', '--sparse', '--no-same-owner', `--file=${archive}`, `--directory=${folder}`], {
    task,
  });
}
