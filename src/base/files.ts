import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
} from 'node:fs';
import {
  type FileHandle,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { temporaryPrefix } from './temporary.ts';

let asideCount = 0;

/**
 * Writes a file so that a reader or a crash sees the old content or the new, never a part: written aside, synced,
 * renamed, and the folder synced so that the rename itself survives a power cut. Makes the folder when missing.
 * @param content also in pieces, for what is too much to have in memory as a whole
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array | Iterable<string>): Promise<void> {
  const folder = dirname(path);
  await makeFolder(folder);
  // Two writers of one path may also be in this process: pushes to several targets run side by side.
  asideCount += 1;
  const aside = `${path}.${process.pid}.${asideCount}.tmp`;
  try {
    const file = await open(aside, 'w');
    try {
      await writeFile(file, content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (error) {
    // Half a file is not to take what little is left of a full disk.
    await rm(aside, { force: true }).catch(() => undefined);
    throw isFullDisk(error) ? withPath(error, path) : error;
  }
  await syncFolder(folder);
}

/** Whether a system error says that there is no space left, or none that this user may have. */
export function isFullDisk(error: unknown): error is Error {
  return isErrno(error, 'ENOSPC') || isErrno(error, 'EDQUOT');
}

/** The system names a file where it opens one, and none where it reads or writes one that is open. */
function withPath(error: unknown, path: string): unknown {
  if (!(error instanceof Error)) return error;
  if (!error.message.includes("'") && !error.message.startsWith(path)) error.message = `${error.message} '${path}'`;
  return error;
}

/**
 * Makes a folder, and those above it that are missing (`mkdir -p`). Node's own recursive mkdir never ends where nothing
 * is missing and still nothing can be made: below /proc, and in a folder that somebody keeps removing.
 * @param mode of every folder that is made, less the umask; default: 0777
 * @returns the topmost folder that was made; undefined when all were there
 * @throws the system's error: `EEXIST` for a file or a dangling link in its place, `ENOTDIR` for a file on the way
 */
export async function makeFolder(path: string, mode?: number): Promise<string | undefined> {
  try {
    await mkdir(path, { mode });
    return path;
  } catch (error) {
    if (isErrno(error, 'EEXIST') && (await stat(path).catch(() => undefined))?.isDirectory()) return undefined;
    if (!isErrno(error, 'ENOENT') || dirname(path) === path) throw error;
  }
  const first = await makeFolder(dirname(path), mode);
  try {
    await mkdir(path, { mode });
  } catch (error) {
    // Somebody else makes the same folders.
    if (!isErrno(error, 'EEXIST') || !(await stat(path)).isDirectory()) throw error;
  }
  return first ?? path;
}

/** `makeFolder` where thousands of small files are taken in one after the other. */
export function makeFolderSync(path: string): void {
  if (isMade(path)) return;
  makeFolderSync(dirname(path));
  if (!isMade(path)) mkdirSync(path);
}

function isMade(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST') && statSync(path, { throwIfNoEntry: false })?.isDirectory()) return true;
    if (!isErrno(error, 'ENOENT') || dirname(path) === path) throw error;
    return false;
  }
}

/** Makes the entries of a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Returns what the symbolic links in a folder lead to, by their paths relative to `root`; none when there is no such folder. */
export async function linksBelow(root: string, folder: string): Promise<Map<string, string>> {
  const options = { recursive: true, withFileTypes: true } as const;
  const entries = (await ifThere(readdir(join(root, folder), options))) ?? [];
  const links = entries.filter((entry) => entry.isSymbolicLink()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(await Promise.all(links.map(async (path) => [relative(root, path), await readlink(path)] as const)));
}

/**
 * Gives work a folder of its own and removes it afterwards.
 * @param parent where it is made; default: the system's temporary folder
 */
export async function withTemporaryFolder<Result>(
  work: (folder: string) => Promise<Result>,
  parent?: string,
): Promise<Result> {
  const folder = await mkdtemp(temporaryPrefix('work', parent));
  // Of several things that were under way one has failed, and another may still be writing there.
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  let result: Result;
  try {
    result = await work(folder);
  } catch (error) {
    // What cannot be removed must not hide why; the next run removes it.
    await remove().catch(() => undefined);
    throw error;
  }
  await remove();
  return result;
}

/** Writes a value as JSON with two-space indentation and a final newline, by `writeFileAtomic`. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** The code of reading what is neither a file nor a folder, as macOS and BSD call it; Linux has none. */
export const NO_FILE = 'EFTYPE';

/** The code of reading what is too large, as the system has it for writing. */
export const TOO_LARGE = 'EFBIG';

const REGULAR = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Opens a regular file to read it: a FIFO that somebody left in its place would be waited for without an end, and a device such as
 * /dev/zero read without one (I7). A folder is opened too, and refused by who reads it.
 * @throws the system's error; one with the code `NO_FILE` for a FIFO, a socket or a device
 */
export async function openRegular(path: string): Promise<FileHandle> {
  const file = await open(path, REGULAR);
  try {
    refuseNoFile(path, await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

function refuseNoFile(path: string, info: Stats): void {
  if (info.isFile() || info.isDirectory()) return;
  throw Object.assign(new Error(`${path} is a FIFO or a device, not a file`), { code: NO_FILE });
}

/**
 * Returns the content of a regular file.
 * @param most the most bytes that are read; default: what fits into memory
 * @throws what `openRegular` throws; an error with the code `TOO_LARGE`
 */
export async function readRegular(path: string, most?: number): Promise<Buffer> {
  const file = await openRegular(path);
  try {
    if (most !== undefined && (await file.stat()).size > most) {
      throw Object.assign(new Error(`${path} is larger than what is read here`), { code: TOO_LARGE });
    }
    return await file.readFile();
  } catch (error) {
    throw withPath(error, path);
  } finally {
    await file.close();
  }
}

/** `readRegular`; undefined when there is no such file. */
export function bytesIfThere(path: string, most?: number): Promise<Buffer | undefined> {
  return ifThere(readRegular(path, most));
}

/**
 * Returns the content of a file that a person named on the command line or in the configuration, which may well be a pipe; undefined
 * when there is none.
 */
export function readNamed(path: string): Promise<Buffer | undefined> {
  return ifThere(
    readFile(path).catch((error: unknown) => {
      throw withPath(error, path);
    }),
  );
}

/** Returns the file's text, or undefined when there is no such file; other faults throw, as those of `readRegular`. */
export async function readTextIfExists(path: string): Promise<string | undefined> {
  return (await bytesIfThere(path))?.toString('utf8');
}

/**
 * Reads the text of a small regular file at once; undefined when there is none. Only where many are read one after the other: a hop to
 * another thread for each takes ten times as long as the reading.
 */
export function textIfThere(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, REGULAR);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    refuseNoFile(path, fstatSync(file));
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw withPath(error, path);
  } finally {
    closeSync(file);
  }
}

/** Returns what is read of a file or folder; undefined when there is none. */
export async function ifThere<Result>(reading: Promise<Result>): Promise<Result | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Returns the size of a file in bytes; undefined when there is none. */
export async function sizeIfThere(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Returns the regular files below a folder, relative to it and sorted; none when there is no such folder. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = (await ifThere(readdir(folder, { recursive: true, withFileTypes: true }))) ?? [];
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** Whether a caught value is a system error of that code, as in `isErrno(error, 'EEXIST')`. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** SHA-256 of a file's content in lower-case hex, read as a stream. */
export async function sha256File(path: string): Promise<string> {
  return (await digestLike('sha256:', path)).slice('sha256:'.length);
}

/**
 * Returns the checksum of a file's content in the form of another, to compare the two.
 * @param like `kind:hex`, with a kind that OpenSSL knows, as in `sha512:…`
 */
export async function digestLike(like: string, path: string): Promise<string> {
  const kind = like.slice(0, like.indexOf(':'));
  const hash = createHash(kind);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return `${kind}:${hash.digest('hex')}`;
}

/** SHA-256 of bytes or text in lower-case hex. */
export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
