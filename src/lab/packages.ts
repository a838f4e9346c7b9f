/**
 * What the lab distribution is made of. The names are Debian's and stay the RPMs' names, but for the kernel, which is
 * called `kernel` whatever its version.
 */

/** What is asked of apt for a full lab; what they depend on comes along. */
export const SEED_PACKAGES: readonly string[] = [
  'bash',
  'ca-certificates',
  'cloud-guest-utils',
  'cloud-init',
  'coreutils',
  'curl',
  'dash',
  'dbus',
  'dracut-core',
  'e2fsprogs',
  'fdisk',
  'findutils',
  'gdisk',
  'gpg',
  'grep',
  'gzip',
  'hostname',
  'iproute2',
  'iputils-ping',
  'kmod',
  'less',
  'libc-bin',
  'libnss-myhostname',
  'libnss-systemd',
  'libpam-modules',
  'libpam-systemd',
  'login',
  'mawk',
  'ncurses-base',
  'openssh-client',
  'openssh-server',
  'ostree',
  'ostree-boot',
  'passwd',
  'procps',
  'rsync',
  'sed',
  'sudo',
  'systemd',
  'systemd-resolved',
  'systemd-sysv',
  'tar',
  'tree',
  'udev',
  'util-linux',
  'xfsprogs',
  'xz-utils',
];

/**
 * Debian's own machinery and what only optional parts use: assumed to be there when apt resolves, and dropped from
 * dependencies. The lab's own packages take over what matters of it (PAM's common files, base files, accounts).
 */
export const ABSENT_PACKAGES: readonly string[] = [
  'adduser',
  'base-files',
  'base-passwd',
  'debconf',
  'debconf-2.0',
  'debianutils',
  'default-dbus-system-bus',
  'dpkg',
  'eject',
  'gnupg',
  'init-system-helpers',
  'initramfs-tools',
  'isc-dhcp-client',
  'kpartx',
  'libfile-find-rule-perl',
  'libpam-runtime',
  'linux-base',
  'locales',
  'lsb-base',
  'lsb-release',
  'media-types',
  'perl',
  'perl-base',
  'python3-oauthlib',
  'python3-pkg-resources',
  'python3-serial',
  'runit-helper',
  'sensible-utils',
  'sysvinit-utils',
  'tzdata',
  'ucf',
  'usr-is-merged',
  'usrmerge',
];

/** What goes to the SIG's repository instead of the base one, besides the SIG's own packages. */
export const SIG_PACKAGES: ReadonlySet<string> = new Set([
  'cloud-guest-utils',
  'cloud-init',
  'dracut-core',
  'libostree-1-1',
  'ostree',
  'ostree-boot',
]);

/** Kernel packages with few drivers, for virtual machines; the name holds the kernel's release (`uname -r`). */
export const KERNEL_PACKAGE = /^linux-image-(\d[\w.+~-]*-cloud-amd64)$/;

/** Packages that packages of this project add to what Debian's package ships, or that the RPM is to have on top. */
export const EXTRA_LINKS: Readonly<Record<string, readonly (readonly [path: string, target: string])[]>> = {
  mawk: [
    ['usr/bin/awk', 'mawk'],
    ['usr/bin/nawk', 'mawk'],
  ],
};

/** Files Debian's maintainer scripts copy into place: from, to. */
export const EXTRA_COPIES: Readonly<Record<string, readonly (readonly [from: string, to: string])[]>> = {
  'openssh-server': [['usr/share/openssh/sshd_config', 'etc/ssh/sshd_config']],
};

/** File capabilities Debian's maintainer scripts set; a .deb cannot carry any. */
export const EXTRA_CAPABILITIES: Readonly<Record<string, readonly (readonly [path: string, capabilities: string])[]>> =
  {
    'iputils-ping': [['/usr/bin/ping', 'cap_net_raw=ep']],
  };
