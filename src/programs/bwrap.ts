import { lstatSync, readlinkSync } from 'node:fs';

/**
 * Bubblewrap's command line. What runs in it has its own mounts, processes, IPC, host name, control groups and (unless
 * asked otherwise) a network without devices; it ends with whoever started it, and with it every mount (I13).
 */
export interface Sandbox {
  /** Put in place in this order. Nothing else of the host is visible. */
  readonly mounts: readonly Mount[];
  /** All the environment there is; bubblewrap adds PWD. */
  readonly env: Readonly<Record<string, string>>;
  /** Gives the host's network. Default: none. */
  readonly network?: boolean;
  /** Default: those of package scripts. */
  readonly capabilities?: readonly string[];
}

/** Paths `at` are absolute, as seen inside. Bubblewrap follows links in them: they must have been resolved before. */
export type Mount =
  | { readonly kind: 'writable' | 'readonly' | 'readonly-if-there'; readonly from: string; readonly at: string }
  | { readonly kind: 'proc' | 'dev' | 'tmpfs' | 'folder' | 'then-readonly'; readonly at: string }
  | { readonly kind: 'link'; readonly to: string; readonly at: string };

/**
 * What rpm-ostree leaves to package scripts (rust/src/bwrap.rs, ADDED_CAPABILITIES): changing owners and modes of files,
 * file capabilities, becoming another user, chroot(2). Not among them: mounts, devices, modules, network, raw I/O,
 * tracing, clock, host name.
 */
export const KEPT_CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_SYS_CHROOT',
  'CAP_SETFCAP',
] as const;

const NAMESPACES = ['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'];

/** argv that runs a command in a sandbox. */
export function bwrap(argv: readonly string[], sandbox: Sandbox): string[] {
  const { mounts, env, network = false, capabilities = KEPT_CAPABILITIES } = sandbox;
  return [
    'bwrap',
    '--die-with-parent',
    ...NAMESPACES,
    ...(network ? [] : ['--unshare-net']),
    // A script that asks for the host's name must not write it into the tree.
    ...['--hostname', 'localhost'],
    ...['--cap-drop', 'ALL', ...capabilities.flatMap((name) => ['--cap-add', name])],
    '--clearenv',
    ...Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]),
    ...mounts.flatMap(mountArguments),
    ...['--chdir', '/', '--'],
    ...argv,
  ];
}

function mountArguments(mount: Mount): string[] {
  switch (mount.kind) {
    case 'writable':
      return ['--bind', mount.from, mount.at];
    case 'readonly':
      return ['--ro-bind', mount.from, mount.at];
    case 'readonly-if-there':
      return ['--ro-bind-try', mount.from, mount.at];
    case 'link':
      return ['--symlink', mount.to, mount.at];
    case 'proc':
      return ['--proc', mount.at];
    case 'dev':
      return ['--dev', mount.at];
    case 'tmpfs':
      return ['--tmpfs', mount.at];
    case 'folder':
      return ['--dir', mount.at];
    case 'then-readonly':
      return ['--remount-ro', mount.at];
  }
}

/** Returns the host's programs and libraries. No configuration: not of rpm, not of name services. */
export function hostPrograms(): Mount[] {
  const top = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'].flatMap((name): Mount[] => {
    const info = lstatSync(`/${name}`, { throwIfNoEntry: false });
    if (info === undefined) return [];
    if (info.isSymbolicLink()) return [{ kind: 'link', to: readlinkSync(`/${name}`), at: `/${name}` }];
    return [{ kind: 'readonly', from: `/${name}`, at: `/${name}` }];
  });
  const cache = ['/etc/ld.so.cache', '/etc/alternatives'];
  return [
    { kind: 'readonly', from: '/usr', at: '/usr' },
    ...top,
    ...cache.map((path) => ({ kind: 'readonly-if-there', from: path, at: path }) as const),
  ];
}
