import { createHash } from 'node:crypto';
import { constants, lstatSync, lutimesSync, readdirSync, readFileSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../base/files.ts';

// Ten thousands of small system calls in a row: their synchronous forms take a fraction of the time here.

/**
 * Names in these folders do not count for `listNames`: documentation and translations, which programs do not look for to
 * decide anything; the package database, a file that differs every night; and what is mounted over or logged to.
 */
const UNLISTED: ReadonlySet<string> = new Set([
  '/usr/share/doc',
  '/usr/share/man',
  '/usr/share/info',
  '/usr/share/licenses',
  '/usr/share/locale',
  '/usr/share/rpm',
  '/dev',
  '/proc',
  '/sys',
  '/tmp',
  '/var/log',
  '/var/tmp',
]);

/**
 * SHA-256 over what a look at a name tells, of everything in the tree but the folders above: path, type, whether it can be
 * executed (root may read and write all), link target.
 */
export function listNames(root: string): string {
  const hash = createHash('sha256');
  before(root, '', (path, info) => {
    const target = info.isSymbolicLink() ? readlinkSync(join(root, path)) : '';
    hash.update(`${path}\0${(info.mode & TYPE_AND_EXECUTE).toString(8)}\0${target}\n`);
    return !UNLISTED.has(path);
  });
  return hash.digest('hex');
}

const TYPE_AND_EXECUTE = constants.S_IFMT | 0o111;

/** Sets access and modification time of everything in the tree to zero, so that a later access shows. */
export function resetTimes(root: string, path = ''): void {
  // A folder after what is in it: listing it counts as reading it.
  for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
    const inner = `${path}/${entry.name}`;
    if (entry.isDirectory()) resetTimes(root, inner);
    else lutimesSync(join(root, inner), 0, 0);
  }
  lutimesSync(join(root, path), 0, 0);
}

/** Returns every path of the tree that was read since `resetTimes`. */
export function readPaths(root: string): string[] {
  const paths: string[] = [];
  before(root, '', (path, info) => {
    if (info.atimeMs !== 0) paths.push(path);
    return true;
  });
  return paths;
}

/**
 * Returns what a program that reads a path gets: type, permissions, owner, and a checksum of a file's content or a
 * folder's names, or a link's target; `none` when there is nothing.
 */
export function pathIdentity(root: string, path: string): string {
  const real = join(root, path);
  let info: Stats;
  try {
    info = lstatSync(real);
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return 'none';
    throw error;
  }
  const common = `${info.mode.toString(8)} ${info.uid}:${info.gid}`;
  if (info.isSymbolicLink()) return `${common} ${readlinkSync(real)}`;
  if (info.isDirectory()) return `${common} ${contentOf(readdirSync(real).sort().join('\n'))}`;
  return info.isFile() ? `${common} ${contentOf(readFileSync(real))}` : common;
}

/** BLAKE2b: as strong as SHA-256, and twice as fast on a processor without instructions for the latter. */
const contentOf = (content: Uint8Array | string): string => createHash('blake2b512').update(content).digest('base64');

/** Calls `visit` for everything below a folder, a folder before what is in it; false leaves its inside out. */
function before(root: string, path: string, visit: (path: string, info: Stats) => boolean): void {
  for (const name of readdirSync(join(root, path)).sort()) {
    const inner = `${path}/${name}`;
    const info = lstatSync(join(root, inner));
    if (visit(inner, info) && info.isDirectory()) before(root, inner, visit);
  }
}
