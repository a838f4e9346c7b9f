import { createReadStream } from 'node:fs';

/** An entry of a tar archive. A file's content is that of another file; a hard link leads to a path of the archive or of the folder it is unpacked in. */
export type TarEntry = {
  readonly path: string;
  /** Permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
} & (
  | { readonly kind: 'file'; readonly content: string; readonly size: number }
  | { readonly kind: 'folder' }
  | { readonly kind: 'symlink' | 'hardlink'; readonly target: string }
);

const BLOCK = 512;
/** Longest name that the header of an entry has room for; GNU's extension has longer ones in an entry of their own before it. */
const NAME_BYTES = 100;
const KINDS = { file: '0', hardlink: '1', symlink: '2', folder: '5' } as const;

/**
 * Yields the bytes of a tar archive (GNU's format), with the time 0 everywhere: the same for the same entries.
 * @throws Error when a file is not as long as its entry says
 */
export async function* tarBytes(entries: Iterable<TarEntry>): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    const target = 'target' in entry ? entry.target : '';
    yield Buffer.concat([longName(entry.path, 'L'), longName(target, 'K'), header(entry, target)]);
    if (entry.kind !== 'file' || entry.size === 0) continue;
    let length = 0;
    for await (const chunk of createReadStream(entry.content)) {
      length += (chunk as Buffer).length;
      yield chunk as Buffer;
    }
    if (length !== entry.size) throw new Error(`${entry.content} changed while it was read`);
    yield Buffer.alloc(-length & (BLOCK - 1));
  }
  yield Buffer.alloc(2 * BLOCK);
}

function longName(name: string, type: 'L' | 'K'): Buffer {
  const bytes = Buffer.from(`${name}\0`);
  if (bytes.length - 1 <= NAME_BYTES) return Buffer.alloc(0);
  const fields = { name: '././@LongLink', mode: 0, uid: 0, gid: 0, size: bytes.length, type, target: '' };
  return Buffer.concat([block(fields), bytes, Buffer.alloc(-bytes.length & (BLOCK - 1))]);
}

function header(entry: TarEntry, target: string): Buffer {
  const { path, mode, uid, gid, kind } = entry;
  return block({ name: path, mode, uid, gid, size: kind === 'file' ? entry.size : 0, type: KINDS[kind], target });
}

interface Fields {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly type: string;
  readonly target: string;
}

function block({ name, mode, uid, gid, size, type, target }: Fields): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number) =>
    bytes.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1');
  bytes.write(name, 0, NAME_BYTES, 'utf8');
  octal(mode, 100, 8);
  octal(uid, 108, 8);
  octal(gid, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  bytes.write(' '.repeat(8), 148, 'latin1');
  bytes.write(type, 156, 'latin1');
  bytes.write(target, 157, NAME_BYTES, 'utf8');
  bytes.write('ustar  \0', 257, 'latin1');
  const sum = bytes.reduce((all, byte) => all + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}
