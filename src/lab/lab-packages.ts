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
  'dpkg',
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
  'policycoreutils',
  'procps',
  'rsync',
  'sed',
  'selinux-policy-default',
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
 * Debian's own machinery and what only optional parts use: assumed to be there when apt resolves, unless asked for by
 * name, and dropped from dependencies. The lab's own packages take over what matters of it (PAM's common files, base files, accounts).
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
  'python3-jsonschema',
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

/** Names of RPMs that are not those of their Debian packages; a kernel's is in KERNEL_PACKAGE. */
const RPM_NAMES: Readonly<Record<string, string>> = { dpkg: 'alternatives' };

/** The RPM that a Debian package becomes. */
export const rpmName = (debName: string): string =>
  KERNEL_PACKAGE.test(debName) ? 'kernel' : (RPM_NAMES[debName] ?? debName);

export interface PackageUser {
  readonly name: string;
  readonly id: number;
  /** The group's name or number. */
  readonly group: string | number;
  readonly home: string;
  readonly comment: string;
}

/** What an RPM has that the .deb does not say in a form that can be read: most of it is in maintainer scripts. */
export interface PackageExtras {
  /** All that is left of the package: path in the .deb, path in the RPM. */
  readonly only?: readonly (readonly [from: string, to: string])[];
  readonly folders?: readonly string[];
  /** Files that are copied into place: from, to. */
  readonly copies?: readonly (readonly [from: string, to: string])[];
  readonly provides?: readonly string[];
  /** File capabilities; a .deb cannot carry any. */
  readonly capabilities?: readonly (readonly [path: string, capabilities: string])[];
  /** Groups and users of its own, with the numbers they have on every host. */
  readonly groups?: readonly (readonly [name: string, id: number])[];
  readonly users?: readonly PackageUser[];
  /** Units beside those that debhelper's part of the maintainer script enables. */
  readonly units?: readonly string[];
  /** Arguments of `update-alternatives --install` and `--remove`. */
  readonly alternatives?: readonly { readonly install: string; readonly remove: string }[];
  readonly fileTriggers?: readonly { readonly folders: readonly string[]; readonly body: string }[];
  /** More lines for %post, and packages these need. */
  readonly post?: readonly string[];
  readonly postNeeds?: readonly string[];
}

const alternative = (link: string, name: string, path: string, rest: string) => ({
  install: `${link} ${name} ${path} ${rest}`,
  remove: `${name} ${path}`,
});

/** Modules of Debian's SELinux policy that its maintainer script leaves switched off. */
const POLICY_OFF =
  'amtu bugzilla cobbler condor cyphesis git ksmtuned likewise livecd nessus numad oddjob openca soundserver ' +
  'thunderbird updfstab usernetctl';

const EXTRAS: Readonly<Record<string, PackageExtras>> = {
  dash: { provides: ['/bin/sh'] },
  'dbus-system-bus-common': {
    groups: [['messagebus', 990]],
    users: [{ name: 'messagebus', id: 990, group: 990, home: '/nonexistent', comment: 'System Message Bus' }],
  },
  // Of Debian's package manager only this; its wrapper keeps the state where Fedora's program has it.
  dpkg: {
    only: [
      ['usr/bin/update-alternatives', 'usr/libexec/update-alternatives'],
      ['usr/share/doc/dpkg/copyright', 'usr/share/doc/alternatives/copyright'],
    ],
    folders: ['etc/alternatives', 'var/lib/alternatives'],
  },
  'iputils-ping': { capabilities: [['/usr/bin/ping', 'cap_net_raw=ep']] },
  less: { alternatives: [alternative('/usr/bin/pager', 'pager', '/usr/bin/less', '77')] },
  // As Fedora's glibc: all libraries of a transaction at once.
  'libc-bin': { fileTriggers: [{ folders: ['/usr/lib', '/usr/lib64'], body: '/usr/sbin/ldconfig' }] },
  mawk: {
    alternatives: [alternative('/usr/bin/awk', 'awk', '/usr/bin/mawk', '5 --slave /usr/bin/nawk nawk /usr/bin/mawk')],
  },
  'openssh-client': { groups: [['_ssh', 988]] },
  'openssh-server': {
    copies: [['usr/share/openssh/sshd_config', 'etc/ssh/sshd_config']],
    users: [{ name: 'sshd', id: 989, group: 65534, home: '/run/sshd', comment: 'sshd user' }],
  },
  'selinux-policy-default': {
    folders: ['etc/selinux/default/policy', 'var/lib/selinux/default'],
    post: [
      'cd /usr/share/selinux/default',
      `semodule --noreload --store default --priority 100 $(sed 's/.*/--install &.pp.bz2/' .modules) ${POLICY_OFF.replace(/\S+/g, '--disable $&')}`,
    ],
    postNeeds: ['policycoreutils', 'sed'],
  },
  systemd: {
    groups: [
      ['systemd-journal', 999],
      ['systemd-network', 998],
    ],
    users: [{ name: 'systemd-network', id: 998, group: 998, home: '/', comment: 'systemd Network Management' }],
    units: [
      'getty@.service',
      'remote-fs.target',
      'systemd-network-generator.service',
      'systemd-networkd-wait-online.service',
      'systemd-networkd.service',
    ],
    fileTriggers: [{ folders: ['/usr/lib/sysusers.d'], body: 'systemd-sysusers || :' }],
  },
  'systemd-resolved': {
    groups: [['systemd-resolve', 996]],
    users: [{ name: 'systemd-resolve', id: 996, group: 996, home: '/', comment: 'systemd Resolver' }],
  },
  udev: {
    groups: [
      ['input', 994],
      ['sgx', 993],
      ['render', 992],
      ['kvm', 991],
    ],
  },
};

/** Returns what the RPM of a Debian package has besides its files: groups, users and the like; nothing for most. */
export const extrasOf = (debName: string): PackageExtras => EXTRAS[debName] ?? {};

/** Groups and users that packages bring, beside those of `setup`. */
export const PACKAGE_GROUPS = Object.values(EXTRAS).flatMap(({ groups = [] }) => groups);
export const PACKAGE_USERS = Object.values(EXTRAS).flatMap(({ users = [] }) => users);
