import { fileURLToPath } from 'node:url';
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

/** Puts the mounts in place; it says which. */
const IN_TREE = fileURLToPath(new URL('in_tree.py', import.meta.url));

export interface NamespaceOptions {
  /** Every read of a file in the root sets its access time. */
  readonly traceReads?: boolean;
  /** Folders of the host and where they appear, relative to the root. */
  readonly binds?: readonly (readonly [host: string, inRoot: string])[];
}

/** argv that runs a command with a tree's mounts in place. The tree needs `dev`, `proc` and `etc` folders. */
export function inNamespace(root: string, argv: readonly string[], options: NamespaceOptions = {}): string[] {
  const binds = options.binds ?? [];
  const mountOptions = options.traceReads ? 'strictatime' : 'relatime';
  return [
    'unshare',
    ...NAMESPACES,
    ...['/usr/bin/python3', '-B', '-I', IN_TREE, root, mountOptions, String(binds.length), ...binds.flat()],
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
