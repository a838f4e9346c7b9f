import type { RpmRelations } from './depends.ts';

/** A package of the lab itself: its files lie in `lab-packages/<name>/root`, the rest is said here. */
export interface OwnPackage {
  readonly name: string;
  readonly repo: 'lab-base' | 'lab-sig-atomic';
  readonly version: string;
  readonly summary: string;
  readonly relations: Partial<RpmRelations>;
  /** Must be unpacked before it. */
  readonly after: readonly string[];
  /** Folders it owns, with their modes where they are not 755. */
  readonly folders: readonly (string | readonly [path: string, mode: number])[];
  readonly links: readonly (readonly [path: string, target: string])[];
  /** Modes of files where they are not 644. */
  readonly modes: Readonly<Record<string, number>>;
  /** Files from elsewhere in the project: from (relative to the project's folder), to. */
  readonly copies: readonly (readonly [from: string, to: string])[];
}

/** Has the key of the distribution. */
export const RELEASE_PACKAGE = 'lab-release-atomic';
/** Has the remote, and the key in OSTree's form. */
export const REMOTE_PACKAGE = 'lab-atomic-remote-nightly';

/** Folders only `filesystem` owns: other packages that have files in them do not list them. */
export const FILESYSTEM_FOLDERS: readonly (string | readonly [path: string, mode: number])[] = [
  ...['boot', 'dev', 'etc', 'home', 'media', 'mnt', 'opt', 'proc', 'run', 'srv', 'sys', 'usr', 'var'],
  ['root', 0o700],
  ['tmp', 0o1777],
  ...['bin', 'games', 'include', 'lib', 'lib64', 'libexec', 'local', 'sbin', 'share', 'src'].map(
    (name) => `usr/${name}`,
  ),
  ...['lib/modules', 'lib/x86_64-linux-gnu', 'lib/systemd', 'lib/systemd/system', 'lib/systemd/system-preset'].map(
    (name) => `usr/${name}`,
  ),
  ...['lib/tmpfiles.d', 'lib/sysusers.d', 'lib/ostree-boot', 'share/doc', 'share/man', 'share/locale'].map(
    (name) => `usr/${name}`,
  ),
  ...['default', 'opt', 'pki', 'pki/rpm-gpg', 'profile.d', 'skel', 'systemd', 'systemd/system'].map(
    (name) => `etc/${name}`,
  ),
  ...['cache', 'lib', 'log', 'opt', 'spool', 'spool/mail'].map((name) => `var/${name}`),
  ['var/tmp', 0o1777],
];

const plain = { relations: {}, after: [], folders: [], links: [], modes: {}, copies: [] } as const;

export const OWN_PACKAGES: readonly OwnPackage[] = [
  {
    ...plain,
    name: 'setup',
    repo: 'lab-base',
    version: '12.2',
    summary: 'Accounts, name service switch and shell settings of the lab distribution',
    // Root's own: the group shadow has no number yet when this package is unpacked.
    modes: { 'etc/shadow': 0o600, 'etc/gshadow': 0o600 },
  },
  {
    ...plain,
    name: 'filesystem',
    repo: 'lab-base',
    version: '12.1',
    summary: 'Top-level folders and links of the lab distribution',
    relations: { provides: ['base-files', 'usr-is-merged'] },
    after: ['setup'],
    folders: FILESYSTEM_FOLDERS,
    links: [
      ...['bin', 'sbin', 'lib', 'lib64'].map((name): readonly [string, string] => [name, `usr/${name}`]),
      ['var/run', '../run'],
      ['var/lock', '../run/lock'],
      ['var/mail', 'spool/mail'],
    ],
  },
  {
    ...plain,
    name: 'lab-pam',
    repo: 'lab-base',
    version: '12.1',
    summary: 'PAM settings that services include',
    relations: { provides: ['libpam-runtime'], requires: ['libpam-modules'] },
    after: ['filesystem'],
  },
  {
    ...plain,
    name: RELEASE_PACKAGE,
    repo: 'lab-sig-atomic',
    version: '12.1',
    summary: 'Release files and presets of Lab Atomic Host',
    relations: {
      provides: ['system-release = 12', 'system-release(releasever) = 12'],
      recommends: ['tree'],
    },
    after: ['filesystem'],
    links: [
      ['etc/os-release', '../usr/lib/os-release'],
      ['etc/system-release', 'lab-release'],
      // It asks questions on the console at the first boot and waits for answers.
      ['etc/systemd/system/systemd-firstboot.service', '/dev/null'],
    ],
  },
  {
    ...plain,
    name: REMOTE_PACKAGE,
    repo: 'lab-sig-atomic',
    version: '12.1',
    summary: 'OSTree remote of the nightlies of Lab Atomic Host',
    // As the packages that "release-package" makes for a project of that name: one of them replaces it.
    relations: { provides: ['lab-atomic-host-remote = 12.1'], conflicts: ['lab-atomic-host-remote'] },
    after: ['filesystem'],
    folders: ['etc/ostree', 'etc/ostree/remotes.d'],
  },
  {
    ...plain,
    name: 'lab-grub-config',
    repo: 'lab-sig-atomic',
    version: '12.1',
    summary: 'Writes the boot menu from boot loader entries, for a GRUB without blscfg',
    relations: { provides: ['grub-mkconfig'], requires: ['coreutils', 'dash'] },
    after: ['filesystem'],
    modes: { 'usr/sbin/grub-mkconfig': 0o755 },
    copies: [['image-templates/lab/ostree-grub-generator', 'usr/sbin/grub-mkconfig']],
  },
];
