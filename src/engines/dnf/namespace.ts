import { RUN_MARKER } from '../../tools/exec.ts';

/**
 * Commands that work on a tree run in namespaces of their own: mounts (so that nothing is ever mounted on the host, and
 * all is gone with the last process, SIGKILL or not), processes (killed together), network (none), IPC and host name.
 */
const NAMESPACES = [
  '--mount',
  '--propagation',
  'private',
  '--pid',
  '--fork',
  '--kill-child',
  '--net',
  '--ipc',
  '--uts',
];

/**
 * Arguments: root, mount options, number of binds, then pairs of host folder and path in the root, then the command.
 * Gives the root a /proc of the new process namespace, a /dev with the six devices programs count on, and /etc where
 * the tree has it in usr/etc already.
 */
const SETUP = `
set -e
root=$1 options=$2 binds=$3
shift 3
mount --bind "$root" "$root"
mount -o "remount,bind,$options" "$root"
mount -t tmpfs -o mode=0755,size=1m,nosuid dev "$root/dev"
for name in null zero full random urandom tty; do
  : > "$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
mount -t proc proc "$root/proc"
if [ -d "$root/usr/etc" ]; then
  mount --bind "$root/usr/etc" "$root/etc"
  mount -o "remount,bind,$options" "$root/etc"
fi
while [ "$binds" -gt 0 ]; do
  mount --bind "$1" "$root/$2"
  shift 2
  binds=$((binds - 1))
done
exec "$@"
`;

export interface NamespaceOptions {
  /** Every read of a file in the root sets its access time. */
  readonly traceReads?: boolean;
  /** Folders of the host and where they appear, relative to the root. */
  readonly binds?: readonly (readonly [host: string, inRoot: string])[];
}

/** argv that runs a command with a tree's mounts in place. The tree needs empty `dev`, `proc` and `etc` folders. */
export function inNamespace(root: string, argv: readonly string[], options: NamespaceOptions = {}): string[] {
  const binds = options.binds ?? [];
  const mountOptions = options.traceReads ? 'strictatime' : 'relatime';
  return [
    'unshare',
    ...NAMESPACES,
    ...['sh', '-c', SETUP, 'namespace', root, mountOptions, String(binds.length), ...binds.flat()],
    ...argv,
  ];
}

/** argv that runs a command chrooted into a tree, with its mounts in place. */
export function inTree(root: string, argv: readonly string[], options: NamespaceOptions = {}): string[] {
  return inNamespace(root, ['chroot', root, ...argv], options);
}

/** What programs run in a tree see: nothing of the host's environment but the time the build is for. */
export function treeEnvironment(timestamp: number): Record<string, string | undefined> {
  const clean: Record<string, string | undefined> = {};
  // The run marker stays: by it a process that outlived its run is found.
  for (const name of Object.keys(process.env)) if (name !== RUN_MARKER) clean[name] = undefined;
  return {
    ...clean,
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    SOURCE_DATE_EPOCH: String(timestamp),
    SYSTEMD_OFFLINE: '1',
  };
}
