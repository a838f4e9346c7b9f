import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { damaged } from '../base/read-record.ts';
import { isPathBelow } from '../build/record-values.ts';
import { strictUtf8 } from '../log/strict-text.ts';

/** A file of a treefile's archive. */
export interface TreefileMember {
  /** Relative, and below whatever folder it is unpacked into. */
  readonly path: string;
  /** Permission bits alone. */
  readonly mode: number;
  readonly content: Buffer;
}

/** A treefile with its scripts and files is small; what unpacks to more is meant to fill a disk. */
const MOST_BYTES = 64 * 1024 * 1024;
const MOST_FILES = 10_000;

const BLOCK = 512;

const HINT = 'It is not what atomic-nightly publishes there: ask whoever publishes the build.';

const gunzipped = promisify(gunzip);

/**
 * Reads the archive of a treefile (`packTreefile` makes it). It is from somebody unknown: nothing but regular files is taken, so that
 * nothing in it can lead out of the folder that it is unpacked into.
 * Format: the "old GNU" format of tar, https://www.gnu.org/software/tar/manual/html_node/Standard.html, gzipped.
 * @param place the file, for messages
 * @throws NightlyError `record` for links, devices, folders, paths that lead elsewhere or stand twice, and damage.
 */
export async function readTreefileArchive(bytes: Uint8Array, place: string): Promise<TreefileMember[]> {
  const refuse = (why: string, cause?: unknown) => damaged(place, why, HINT, cause);
  const tar = await gunzipped(bytes, { maxOutputLength: MOST_BYTES }).catch((error: unknown) => {
    throw refuse('it does not unpack', error);
  });
  const members: TreefileMember[] = [];
  const seen = new Set<string>();
  let longName: string | undefined;
  for (let at = 0; ; ) {
    const header = tar.subarray(at, at + BLOCK);
    if (header.length < BLOCK) throw refuse('it is cut short');
    if (header.every((byte) => byte === 0)) break;
    const { type, name, mode, size } = readHeader(header, refuse);
    const content = tar.subarray(at + BLOCK, at + BLOCK + size);
    if (content.length < size) throw refuse('it is cut short');
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    // A name that is longer than its field comes before, as the content of a member of its own.
    if (type === 'L') {
      longName = textOf(content, refuse);
      continue;
    }
    const path = longName ?? name;
    longName = undefined;
    if (type !== '0') throw refuse(`${JSON.stringify(path.slice(0, 200))} is no regular file`);
    checkMember({ path, mode }, seen, refuse);
    members.push({ path, mode, content });
    if (members.length > MOST_FILES) throw refuse(`it has more than ${MOST_FILES} files`);
  }
  if (members.length === 0) throw refuse('it is empty');
  return members;
}

type Refuse = (why: string) => Error;

function checkMember({ path, mode }: Omit<TreefileMember, 'content'>, seen: Set<string>, refuse: Refuse): void {
  const shown = JSON.stringify(path.slice(0, 200));
  if (!isPathBelow(path)) throw refuse(`${shown} leads out of its folder`);
  // A file that is in the place of a folder of another, too.
  const parents = path.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'));
  if (seen.has(path) || seen.has(`${path}/`) || parents.some((one) => seen.has(one)))
    throw refuse(`${shown} stands twice`);
  // Unpacked by root, such a file would be a way to become root on this host.
  if ((mode & 0o7000) !== 0) throw refuse(`${shown} has the mode ${mode.toString(8)}`);
  seen.add(path);
  for (const parent of parents.slice(0, -1)) seen.add(`${parent}/`);
}

function readHeader(header: Buffer, refuse: Refuse) {
  const field = (start: number, length: number) => textOf(header.subarray(start, start + length), refuse);
  const number = (start: number, length: number): number => {
    const text = field(start, length).trim();
    if (!/^[0-7]{1,11}$/.test(text)) throw refuse('a header has something else where a number belongs');
    return Number.parseInt(text, 8);
  };
  if (header.toString('latin1', 257, 265) !== 'ustar  \0') throw refuse('it is of another format of tar');
  // The sum is over the header with blanks in its own place.
  const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 0x20 : byte), 0);
  if (number(148, 8) !== sum) throw refuse('a header has another checksum');
  return {
    type: header.toString('latin1', 156, 157),
    name: field(0, 100),
    mode: number(100, 8),
    size: number(124, 12),
  };
}

/** Returns a text that ends at its first NUL. */
function textOf(bytes: Uint8Array, refuse: Refuse): string {
  const end = bytes.indexOf(0);
  const text = strictUtf8(end < 0 ? bytes : bytes.subarray(0, end));
  if (text === undefined) throw refuse('a name is not UTF-8');
  return text;
}
