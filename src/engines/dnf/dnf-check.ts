import { NightlyError } from '../../base/errors.ts';
import type { Treefile } from '../../treefile/treefile.ts';
import type { KeyName, TreefileValues } from '../../treefile/treefile-keys.ts';
import { refuseUnsupported } from '../../treefile/unsupported.ts';

/**
 * Keys this engine honours. `automatic-version-prefix` and `-suffix` make up a version only where none is given, in
 * rpm-ostree as here, and a build always gives its id; `rojig` has no effect on a tree in rpm-ostree either. Users of
 * sysusers.d are always made, which is what either value of `sysusers` comes to where rpm knows the macro.
 */
const SUPPORTED: ReadonlySet<KeyName> = new Set<KeyName>([
  'ref',
  'repos',
  'repovars',
  'lockfile-repos',
  'packages',
  'repo-packages',
  'exclude-packages',
  'platform-module',
  'releasever',
  'recommends',
  'documentation',
  'install-langs',
  'rojig',
  'container',
  'selinux',
  'initramfs-args',
  'no-initramfs',
  'readonly-executables',
  'boot-location',
  'tmp-is-dir',
  'units',
  'default-target',
  'machineid-compat',
  'automatic-version-prefix',
  'automatic-version-suffix',
  'mutate-os-release',
  'etc-group-members',
  'preserve-passwd',
  'check-passwd',
  'check-groups',
  'ignore-removed-users',
  'ignore-removed-groups',
  'postprocess-script',
  'postprocess',
  'add-files',
  'remove-files',
  'remove-from-packages',
  'add-commit-metadata',
  'container-cmd',
  'repo-metadata',
  'advisories-metadata',
  'rpmdb',
  'rpmdb-normalize',
  'opt-usrlocal',
  'sysusers',
  'cliwrap',
  'cliwrap-binaries',
]);

/** Values of supported keys that this engine cannot honour, with the reason. */
const REFUSED_VALUES: readonly (readonly [KeyName, unknown, string])[] = [
  ['boot-location', 'kernel-install', 'the kernel goes to usr/lib/modules, and with "new" to usr/lib/ostree-boot too'],
  ['rpmdb', 'bdb', 'the rpm of the build host writes sqlite databases only'],
  ['rpmdb', 'ndb', 'the rpm of the build host writes sqlite databases only'],
  ['repo-metadata', 'disabled', 'the next build needs repository data to detect stale mirrors'],
];

/** Refuses what this engine cannot honour. @throws NightlyError `unsupported`, naming each key with its place. */
export function checkTreefile(treefile: Treefile): void {
  refuseUnsupported(treefile, SUPPORTED, 'dnf');
  const { values, origins } = treefile;
  for (const [key, value, why] of REFUSED_VALUES) {
    if (values[key] !== value) continue;
    const place = origins.get(key);
    throw new NightlyError('unsupported', `The dnf engine cannot honour "${key}: ${String(value)}": ${why}.`, {
      hint: 'Change the value, or build with rpm-ostree.',
      place,
    });
  }
  refuseOtherArch(treefile, values);
}

const NODE_ARCH: Readonly<Record<string, string>> = {
  x64: 'x86_64',
  arm64: 'aarch64',
  ppc64: 'ppc64le',
  s390x: 's390x',
};

function refuseOtherArch({ origins }: Treefile, { basearch }: TreefileValues): void {
  const host = NODE_ARCH[process.arch] ?? process.arch;
  if (basearch === undefined || basearch === host) return;
  const place = origins.get('basearch');
  throw new NightlyError(
    'unsupported',
    `The tree is for ${basearch}, but this machine is ${host}: package scripts and dracut run in the tree and need a machine of its kind.`,
    { hint: `Compose on a ${basearch} machine.`, place },
  );
}
