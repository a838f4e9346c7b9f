import { run } from '../../src/programs/exec.ts';
import type { Difference, MeantClass } from './tree-listing.ts';

const FIXTURE = new URL('../fixtures/rpm-ostree/first-night.ls.xz', import.meta.url).pathname;

/**
 * The tree that a real rpm-ostree 2020.8 made of the lab's first night (`ostree ls -RXC`). The packages are those of the day
 * it was recorded.
 */
export async function recordedListing(): Promise<string> {
  return (await run('xz', ['--decompress', '--stdout', FIXTURE])).stdout;
}

/** Written by the compose itself, or by programs it runs: what is in these counts, whoever owns them. */
const COMPOSED =
  /^\/usr\/(etc\/(default|systemd|selinux|passwd|group|shadow|gshadow|nsswitch|machine-id)|lib\/(passwd|group|tmpfiles\.d\/rpm-ostree|systemd\/system-preset|sysimage|rpm)|share\/rpm)/;

/** Whether a path is one of the two links of an alternative: the program's name, and what /etc/alternatives says of it. */
const isAlternative = (path: string, target = ''): boolean =>
  path.startsWith('/usr/etc/alternatives/')
    ? target.startsWith('/usr/bin/')
    : target.replace(/^\/usr/, '').startsWith('/etc/alternatives/');

/**
 * How the dnf engine's tree of the lab may differ from that of rpm-ostree 2020.8; docs/dnf-engine.md has the reasons.
 * @param owned paths that packages of the tree own: these may have been updated since the recording
 */
export function meantDifferences(owned: ReadonlySet<string>): MeantClass[] {
  const fromPackage = ({ path }: Difference): boolean => owned.has(path) && !COMPOSED.test(path);
  return [
    {
      name: 'documentation and translations that install-langs and documentation leave out',
      kinds: ['missing'],
      paths: /^\/usr\/share\/(doc|man|info|locale)\//,
    },
    { name: 'packages updated since the recording', kinds: ['content', 'extra'], paths: /^\/usr\//, when: fromPackage },
    {
      name: 'certificates and modules removed since the recording',
      kinds: ['missing'],
      paths: /^\/usr\/(share\/ca-certificates\/|lib\/modules\/KVER\/kernel\/)/,
    },
    {
      name: 'what checks schemas for cloud-init, which the lab leaves out since the recording',
      kinds: ['missing'],
      paths:
        /^\/usr\/(bin\/jsonschema|lib\/python3\/dist-packages\/(__pycache__\/|pvectorc|_?pyrsistent|attrs?|jsonschema)[^/]*)(\/|$)/,
    },
    {
      name: 'indexes and images made of packages that were updated',
      kinds: ['content'],
      paths: /^\/usr\/(lib\/modules\/KVER\/(modules\.|initramfs\.img$)|etc\/ssl\/certs\/|etc\/pki\/rpm-gpg\/)/,
    },
    {
      name: 'the package database: other packages, without journals',
      kinds: ['content', 'missing'],
      paths: /^\/usr\/(share\/rpm|lib\/sysimage\/rpm-ostree-base-db)\/rpmdb\.sqlite(-shm|-wal)?$/,
    },
    {
      name: 'the treefile in the tree: order and defaults',
      kinds: ['content'],
      paths: /^\/usr\/share\/rpm-ostree\/treefile\.json$/,
    },
    {
      name: 'one file of tmpfiles.d for all packages',
      kinds: ['missing', 'content'],
      paths: /^\/usr\/lib\/tmpfiles\.d\/(pkg-[a-z-]+|rpm-ostree-[01]-[a-z]+)\.conf$/,
    },
    { name: 'nothing in /var', kinds: ['missing'], paths: /^\/var\/lib(\/(alternatives|vagrant))?$/ },
    {
      name: 'folders of alternatives and vagrant only where a package has them',
      kinds: ['missing'],
      paths: /^\/usr\/lib\/(alternatives|vagrant)$/,
    },
    {
      name: 'users and groups in /etc as well, without nss-altfiles',
      kinds: ['content'],
      paths: /^\/usr\/(etc\/(passwd|group|shadow|gshadow|nsswitch\.conf)|lib\/(passwd|group))$/,
    },
    {
      name: 'units enabled by scripts and presets',
      kinds: ['extra', 'target'],
      paths: /^\/usr\/etc\/systemd\/system\/([a-z-]+\.target\.(wants|requires)(\/[^/]+)?|[a-zA-Z0-9.-]+\.service)$/,
      when: ({ path, after }) => after?.type === 'l' || path.includes('.target.'),
    },
    {
      name: "alternatives that the lab's package scripts choose since the recording",
      kinds: ['extra', 'target'],
      paths: /^\/usr\/(bin\/[a-z]+|(etc|lib)\/alternatives\/[a-z]+)$/,
      when: ({ path, after }) => path.startsWith('/usr/lib/') || isAlternative(path, after?.target),
    },
    {
      name: "ostree's units enabled in /usr",
      kinds: ['extra'],
      paths:
        /^\/usr\/lib\/systemd\/system\/multi-user\.target\.wants\/ostree-(remount\.service|finalize-staged\.path)$/,
    },
    {
      name: 'the default target as a relative link',
      kinds: ['target'],
      paths: /^\/usr\/lib\/systemd\/system\/default\.target$/,
      when: ({ before, after }) => before?.target.split('/').at(-1) === after?.target,
    },
    {
      name: 'the place of the package database, told to rpm',
      kinds: ['extra'],
      paths: /^\/usr\/lib\/rpm(\/macros\.d(\/macros\.rpm-ostree)?)?$/,
    },
    {
      name: 'the lists of presets in the words of this program',
      kinds: ['content'],
      paths: /^\/usr\/lib\/systemd\/system-preset\/40-rpm-ostree-auto\.preset$/,
    },
    {
      name: "the linker's cache, and an empty machine-id for reading only",
      kinds: ['extra', 'mode'],
      paths: /^\/usr\/etc\/(ld\.so\.cache|machine-id)$/,
    },
    { name: 'file capabilities as the package has them', kinds: ['xattrs'], paths: /^\/usr\/bin\/ping$/ },
    {
      name: "where the SELinux policy's modules are, of a tree without a policy",
      kinds: ['content'],
      paths: /^\/usr\/etc\/selinux\/semanage\.conf$/,
    },
  ];
}
