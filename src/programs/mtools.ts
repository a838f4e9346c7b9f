import type { Task } from '../base/task.ts';
import { run } from './exec.ts';
import { unknownListing } from './unknown-listing.ts';

/** A FAT file system inside a file, handled by dosfstools and mtools without mounting it. */
export interface FatInFile {
  readonly file: string;
  readonly offsetBytes: number;
}

export interface FatRequest extends FatInFile {
  readonly sizeBytes: number;
  /** Up to 11 upper-case characters. */
  readonly label: string;
  /** Eight hexadecimal digits. */
  readonly volumeId: string;
  /** Default 32, what the UEFI specification asks of a fixed disk's system partition; 16 suits small removable media. */
  readonly bits?: 16 | 32;
}

const SECTOR_BYTES = 512;

/** Makes a FAT file system at an offset of an existing file. @throws NightlyError `tool-missing`, `tool-failed`. */
export async function makeFat(request: FatRequest, task: Task): Promise<void> {
  const sectors = request.offsetBytes / SECTOR_BYTES;
  await run(
    'mkfs.vfat',
    [
      // A fixed time of creation; before -i, since it also sets a fixed volume id.
      ...['--invariant', '-F', String(request.bits ?? 32), '-s', '1', '-n', request.label, '-i', request.volumeId],
      // -h records the same start in the boot sector; firmware that chain-loads it relies on that.
      ...['--offset', String(sectors), '-h', String(sectors), request.file, String(request.sizeBytes / 1024)],
    ],
    { task },
  );
}

/** Makes folders, outermost first. `timestamp`: seconds since the epoch. */
export async function makeFatFolders(
  fat: FatInFile,
  folders: readonly string[],
  timestamp: number,
  task: Task,
): Promise<void> {
  await run('mmd', ['-i', where(fat), ...folders.map((folder) => `::${folder}`)], {
    task,
    env: environment(timestamp),
  });
}

/** Copies one file in, over one of that name. `timestamp`: seconds since the epoch, its time in the file system. */
export async function copyIntoFat(
  fat: FatInFile,
  source: string,
  path: string,
  timestamp: number,
  task: Task,
): Promise<void> {
  await run('mcopy', ['-o', '-i', where(fat), source, `::${path}`], { task, env: environment(timestamp) });
}

/** Copies one file out, over what is at `target`. */
export async function copyOutOfFat(fat: FatInFile, path: string, target: string, task: Task): Promise<void> {
  await run('mcopy', ['-n', '-i', where(fat), `::${path}`, target], { task, env: environment(0) });
}

/**
 * Returns every file of the file system as an absolute path with `/`.
 * @throws NightlyError `image` when some of the list cannot be read.
 */
export async function listFat(fat: FatInFile, task: Task): Promise<string[]> {
  const { stdout } = await run('mdir', ['-i', where(fat), '-/', '-b', '-a', '::/'], { task, env: environment(0) });
  return parseMdir(stdout);
}

/**
 * Returns the files that `mdir -b` lists: `::/path`, one a line, those of folders with a slash at their end. A long name may have line
 * breaks, which mtools prints as they are; what follows belongs to it as far as the next `::/`.
 * @throws NightlyError `image` for what is no such list.
 */
export function parseMdir(printed: string): string[] {
  if (printed === '') return [];
  const [before = '', ...paths] = printed.split(/^::(?=\/)/m);
  if (before !== '' || !printed.endsWith('\n')) throw unknownListing('mdir', before || printed);
  return paths.map((path) => path.slice(0, -1)).filter((path) => !path.endsWith('/'));
}

function where(fat: FatInFile): string {
  return `${fat.file}@@${fat.offsetBytes}`;
}

function environment(timestamp: number): Record<string, string> {
  // MTOOLSRC: a person's own drive table has no say here. SOURCE_DATE_EPOCH is honoured since mtools 4.0.19.
  return { MTOOLSRC: '/dev/null', MTOOLS_SKIP_CHECK: '1', SOURCE_DATE_EPOCH: String(timestamp) };
}
