import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { bwrap, hostPrograms, type Mount } from '../../programs/bwrap.ts';
import { etcOf, at as placeOf } from './tree/tree-paths.ts';

export interface InTreeOptions {
  /** The time the build is for, in seconds: SOURCE_DATE_EPOCH. */
  readonly timestamp: number;
  /** Every read of a file in the root sets its access time. */
  readonly traceReads?: boolean;
  /** Folders and files of the host, and where they appear: paths of the tree, which must be there. */
  readonly binds?: readonly (readonly [host: string, inRoot: string])[];
}

/**
 * argv that runs a program of a tree: it sees the tree as its root, with a /proc of its own, a /dev of the few devices that
 * programs count on, and /etc where the tree has that in usr/etc already. Nothing of the host is visible, not its
 * environment either.
 * @throws NightlyError `compose` when the tree has something else where these go.
 */
export function inTree(root: string, argv: readonly string[], options: InTreeOptions): string[] {
  const etc = etcOf(root);
  const at = (path: string): string => placeOf(root, path).slice(root.length) || '/';
  const inside = bwrap(argv, {
    mounts: [
      { kind: 'writable', from: root, at: '/' },
      ...ownFileSystems(root, ''),
      ...(etc === undefined ? [] : [{ kind: 'writable', from: etc, at: mountPoint(root, '/etc') } as const]),
      ...(options.binds ?? []).map(([from, path]) => ({ kind: 'writable', from, at: at(path) }) as const),
    ],
    env: treeEnvironment(options.timestamp),
  });
  return options.traceReads ? ['unshare', '--mount', '--propagation', 'private', ...tracing(root), ...inside] : inside;
}

/** Mounts the tree upon itself so that each read counts; what bubblewrap binds from there is mounted alike. */
function tracing(root: string): string[] {
  const script = 'mount --bind "$0" "$0"; mount -o remount,bind,strictatime "$0"; exec "$@"';
  return ['sh', '-ec', script, root];
}

/**
 * argv that runs a program of the host on a tree: it sees the host's /usr, read-only, and the tree at its own path; what
 * it runs chrooted in the tree has the same limits as with `inTree`.
 * @param options.readable further folders and files of the host
 */
export function besideTree(
  root: string,
  argv: readonly string[],
  options: { readonly timestamp: number; readonly readable?: readonly string[] },
): string[] {
  return bwrap(argv, {
    mounts: [
      ...hostPrograms(),
      ...proc('/proc'),
      { kind: 'dev', at: '/dev' },
      { kind: 'tmpfs', at: '/tmp' },
      ...(options.readable ?? []).map((path) => ({ kind: 'readonly', from: path, at: path }) as const),
      { kind: 'writable', from: root, at: root },
      ...ownFileSystems(root, root),
      { kind: 'then-readonly', at: '/' },
    ],
    env: treeEnvironment(options.timestamp),
  });
}

/** /proc and /dev of a tree that appears at `at`. */
function ownFileSystems(root: string, at: string): Mount[] {
  return [...proc(`${at}${mountPoint(root, '/proc')}`), { kind: 'dev', at: `${at}${mountPoint(root, '/dev')}` }];
}

/**
 * Returns a /proc in which only what belongs to processes can be written to. User 0 needs no capability to write to the
 * kernel's settings, say a command of its own into /proc/sys/kernel/core_pattern, and bubblewrap covers just four of
 * the entries, and of these only what access(2) calls writable, which /proc/sys itself is not (bubblewrap.c,
 * cover_proc_dirs). All of it cannot be read-only: rpm sets the mode of /proc when a package owns that.
 */
function proc(at: string): Mount[] {
  const kernels = readdirSync('/proc').filter((name) => {
    if (/^\d+$/.test(name)) return false;
    const info = lstatSync(`/proc/${name}`, { throwIfNoEntry: false });
    return info !== undefined && (info.isDirectory() || (info.isFile() && (info.mode & 0o222) !== 0));
  });
  return [
    { kind: 'proc', at },
    ...kernels.map((name) => ({ kind: 'readonly-if-there', from: `/proc/${name}`, at: `${at}/${name}` }) as const),
  ];
}

/** Bubblewrap follows links to where it mounts something, so there must be none. */
function mountPoint(root: string, path: string): string {
  const info = lstatSync(join(root, path), { throwIfNoEntry: false });
  if (info === undefined || info.isDirectory()) return path;
  throw new NightlyError('compose', `${path} is not a folder in the tree, so no program can be run there.`, {
    hint: 'Find the package or script that replaces it, and exclude or correct it.',
  });
}

/** Names and values; PATH is also what librpm gives to scripts. */
interface TreeEnvironment extends Readonly<Record<string, string>> {
  readonly PATH: string;
}

/** Returns all that programs run for a tree find in their environment; the same on every host. */
export function treeEnvironment(timestamp: number): TreeEnvironment {
  return {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LANG: 'C.UTF-8',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    SOURCE_DATE_EPOCH: String(timestamp),
    SYSTEMD_OFFLINE: '1',
  };
}
