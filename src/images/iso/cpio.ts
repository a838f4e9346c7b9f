/** A folder or regular file of an archive; owner is root. */
export interface CpioEntry {
  /** Relative, without a leading slash. */
  readonly path: string;
  /** The permission bits. */
  readonly mode: number;
  /** A folder when missing. */
  readonly content?: Uint8Array;
}

const FOLDER = 0o040000;
const FILE = 0o100000;
const HEADER_BYTES = 110;

/**
 * Returns an archive in cpio's "newc" format, as Linux unpacks it for its initramfs
 * (Documentation/driver-api/early-userspace/ buffer-format.rst). Entries stay in the order given: a folder has to come
 * before what lies in it.
 * @param timestamp seconds since the epoch, of every entry.
 */
export function cpioArchive(entries: readonly CpioEntry[], timestamp: number): Buffer {
  const parts = entries.map((entry, index) => encode(entry, index + 1, timestamp));
  return Buffer.concat([...parts, encode({ path: 'TRAILER!!!', mode: 0, content: Buffer.alloc(0) }, 0, 0)]);
}

function encode(entry: CpioEntry, inode: number, timestamp: number): Buffer {
  const content = entry.content ?? Buffer.alloc(0);
  const name = Buffer.from(`${entry.path}\0`, 'utf8');
  const type = entry.content === undefined ? FOLDER : FILE;
  const links = entry.content === undefined ? 2 : 1;
  const mode = inode === 0 ? 0 : type | entry.mode;
  const device = [0, 0];
  const fields = [inode, mode, 0, 0, links, timestamp, content.length, ...device, ...device, name.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`, 'latin1');
  return Buffer.concat([header, name, padding(HEADER_BYTES + name.length), content, padding(content.length)]);
}

/** Header with name, and content, each fill whole words of four bytes. */
function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
