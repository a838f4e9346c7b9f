/**
 * The programs this one starts, as data: who needs them, from which version on, and what installs them. Versions are
 * the oldest that are known to work; without one, any does.
 */
export interface ToolCheck {
  /** The program's name on PATH, or an absolute path. */
  readonly program: string;
  readonly neededBy: readonly Need[];
  readonly version?: {
    readonly args: readonly string[];
    /** What has that version, where it is not the program; it stands before the version. */
    readonly of?: string;
    /** The first group is the version. */
    readonly pattern: RegExp;
    readonly atLeast?: string | undefined;
  };
  /** What a program that is installed and does not run wants; without it, its own words stand alone. */
  readonly runsOnly?: string;
  readonly debian: string;
  readonly fedora: string;
}

/** What a configuration may ask for. `base` is always asked for, `lab` only without a configuration. */
export type Need =
  | 'base'
  | 'engine dnf'
  | 'engine rpm-ostree'
  | 'images'
  | 'images with XFS'
  | 'installer ISO'
  | 'smoke test'
  | 'target rsync'
  | 'target ssh'
  | 'target ssh with tar'
  | 'push over ssh'
  | 'receive'
  | 'seed signatures'
  | 'signing'
  | 'signing with gpg'
  | 'promotion'
  | 'release package'
  | 'content'
  | 'login by Kerberos'
  | 'rebuilds'
  | 'lab';

const gnu = (atLeast?: string) => ({
  args: ['--version'],
  pattern: /(\d+\.\d+(?:\.\d+)?)/,
  atLeast,
});

export const TOOLS: readonly ToolCheck[] = [
  {
    program: 'ostree',
    neededBy: ['base'],
    // The YAML of `ostree --version`; from 2020.8 on `ostree commit` and `pull` have all options used here.
    version: { args: ['--version'], pattern: /Version:\s*'?([\d.]+)/, atLeast: '2020.8' },
    debian: 'ostree',
    fedora: 'ostree',
  },
  { program: 'flock', neededBy: ['base'], version: gnu(), debian: 'util-linux', fedora: 'util-linux' },
  {
    program: '/usr/bin/python3',
    neededBy: ['engine dnf', 'content'],
    // dnf's Python modules, in the interpreter they are installed for.
    version: {
      args: ['-I', '-c', 'import dnf.const; print("dnf", dnf.const.VERSION)'],
      pattern: /dnf (\d+\.\d+)/,
      atLeast: '4.14',
      of: 'dnf',
    },
    debian: 'python3-dnf',
    fedora: 'python3-dnf',
  },
  {
    program: 'rpmkeys',
    neededBy: ['engine dnf', 'promotion', 'release package', 'content'],
    version: gnu('4.16'),
    debian: 'rpm',
    fedora: 'rpm',
  },
  {
    program: 'bwrap',
    neededBy: ['engine dnf'],
    // In a sandbox of its own, so that it is known to work here. `--clearenv` came with 0.5.
    version: {
      args: ['--ro-bind', '/', '/', '--proc', '/proc', '--unshare-pid', '--unshare-net', 'bwrap', '--version'],
      pattern: /bubblewrap (\d+\.\d+\.\d+)/,
      atLeast: '0.5.0',
    },
    runsOnly: 'as root where namespaces may be made: not in a plain chroot, and in a container only with --privileged',
    debian: 'bubblewrap',
    fedora: 'bubblewrap',
  },
  {
    program: 'unshare',
    neededBy: ['engine dnf', 'images with XFS'],
    version: gnu('2.36'),
    debian: 'util-linux',
    fedora: 'util-linux',
  },
  {
    program: 'umount',
    neededBy: ['engine rpm-ostree'],
    version: gnu(),
    debian: 'mount',
    fedora: 'util-linux-core',
  },
  { program: 'qemu-img', neededBy: ['images'], version: gnu(), debian: 'qemu-utils', fedora: 'qemu-img' },
  {
    program: 'mke2fs',
    neededBy: ['images'],
    // `-d` with files of any size and extended attributes.
    version: { args: ['-V'], pattern: /mke2fs (\d+\.\d+(?:\.\d+)?)/, atLeast: '1.45' },
    debian: 'e2fsprogs',
    fedora: 'e2fsprogs',
  },
  {
    program: 'debugfs',
    neededBy: ['images'],
    version: { args: ['-V'], pattern: /debugfs (\d+\.\d+(?:\.\d+)?)/ },
    debian: 'e2fsprogs',
    fedora: 'e2fsprogs',
  },
  { program: 'tar', neededBy: ['images', 'target ssh with tar'], version: gnu('1.29'), debian: 'tar', fedora: 'tar' },
  { program: 'gzip', neededBy: ['images'], version: gnu(), debian: 'gzip', fedora: 'gzip' },
  { program: 'mkfs.xfs', neededBy: ['images with XFS'], debian: 'xfsprogs', fedora: 'xfsprogs' },
  { program: 'mkfs.vfat', neededBy: ['images'], debian: 'dosfstools', fedora: 'dosfstools' },
  { program: 'mcopy', neededBy: ['images'], version: gnu(), debian: 'mtools', fedora: 'mtools' },
  {
    program: 'grub-mkimage',
    neededBy: ['images'],
    version: gnu('2.04'),
    debian: 'grub-common',
    fedora: 'grub2-tools-minimal',
  },
  {
    program: 'qemu-system-x86_64',
    neededBy: ['smoke test'],
    version: gnu('5.2'),
    debian: 'qemu-system-x86',
    fedora: 'qemu-system-x86-core',
  },
  { program: 'mksquashfs', neededBy: ['installer ISO'], debian: 'squashfs-tools', fedora: 'squashfs-tools' },
  {
    program: 'xorriso',
    neededBy: ['smoke test', 'installer ISO'],
    version: gnu(),
    debian: 'xorriso',
    fedora: 'xorriso',
  },
  {
    program: 'ssh',
    neededBy: ['smoke test', 'target ssh', 'push over ssh', 'rebuilds'],
    version: { args: ['-V'], pattern: /OpenSSH_(\d+\.\d+)/ },
    debian: 'openssh-client',
    fedora: 'openssh-clients',
  },
  { program: 'sftp', neededBy: ['rebuilds'], debian: 'openssh-client', fedora: 'openssh-clients' },
  { program: 'ssh-keygen', neededBy: ['smoke test'], debian: 'openssh-client', fedora: 'openssh' },
  {
    program: 'rsync',
    neededBy: ['target rsync'],
    version: { args: ['--version'], pattern: /version v?(\d+\.\d+\.\d+)/, atLeast: '3.2.5' },
    debian: 'rsync',
    fedora: 'rsync',
  },
  {
    program: 'gpg',
    neededBy: ['seed signatures', 'signing with gpg', 'lab'],
    version: gnu('2.2'),
    debian: 'gnupg',
    fedora: 'gnupg2',
  },
  { program: 'gpgv', neededBy: ['signing', 'receive'], version: gnu('2.2'), debian: 'gpgv', fedora: 'gnupg2' },
  { program: 'apt-get', neededBy: ['lab'], version: gnu(), debian: 'apt', fedora: 'apt' },
  { program: 'dpkg-deb', neededBy: ['lab'], version: gnu(), debian: 'dpkg', fedora: 'dpkg' },
  {
    program: 'rpmbuild',
    neededBy: ['lab', 'release package'],
    version: gnu('4.16'),
    debian: 'rpm',
    fedora: 'rpm-build',
  },
  {
    program: 'rpmsign',
    neededBy: ['lab', 'release package'],
    version: gnu('4.16'),
    debian: 'rpm',
    fedora: 'rpm-sign',
  },
  {
    program: 'depmod',
    neededBy: ['engine dnf', 'lab'],
    version: { args: ['--version'], pattern: /version (\d+)/ },
    debian: 'kmod',
    fedora: 'kmod',
  },
  {
    program: 'createrepo_c',
    neededBy: ['lab', 'promotion', 'release package', 'content'],
    version: gnu('0.17'),
    debian: 'createrepo-c',
    fedora: 'createrepo_c',
  },
  { program: 'curl', neededBy: ['login by Kerberos'], version: gnu(), debian: 'curl', fedora: 'curl' },
];

/** Files that programs above read, where Debian or Fedora put them: one of the places must be there. */
export interface FileCheck {
  readonly what: string;
  readonly anyOf: readonly string[];
  readonly neededBy: readonly Need[];
  readonly debian: string;
  readonly fedora: string;
}

export const FILES: readonly FileCheck[] = [
  {
    what: 'GRUB modules for BIOS',
    anyOf: ['/usr/lib/grub/i386-pc/boot.img'],
    neededBy: ['images'],
    debian: 'grub-pc-bin',
    fedora: 'grub2-pc-modules',
  },
  {
    what: 'GRUB modules for UEFI',
    anyOf: ['/usr/lib/grub/x86_64-efi/moddep.lst'],
    neededBy: ['images'],
    debian: 'grub-efi-amd64-bin',
    fedora: 'grub2-efi-x64-modules',
  },
];
