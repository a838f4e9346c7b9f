import { formatPlace, NightlyError } from '../../errors.ts';
import { isBefore, type RpmOstree } from '../../tools/rpm-ostree.ts';
import type { KeyName } from '../../treefile/keys.ts';
import type { Treefile } from '../../treefile/treefile.ts';

/**
 * The first release that has a key, read from rust/src/treefile.rs of the tagged releases; keys that are not here are
 * in 2018.7 already, the oldest release this engine knows (CentOS 7).
 */
const SINCE: Readonly<Partial<Record<KeyName, string>>> = {
  recommends: '2018.8',
  postprocess: '2018.8',
  'ostree-layers': '2019.5',
  'ostree-override-layers': '2019.5',
  'add-commit-metadata': '2019.5',
  'automatic-version-suffix': '2019.7',
  'exclude-packages': '2020.1',
  'lockfile-repos': '2020.2',
  cliwrap: '2020.2',
  'readonly-executables': '2020.2',
  rpmdb: '2020.5',
  'repo-packages': '2021.5',
  'rpmdb-normalize': '2021.14',
  'platform-module': '2022.2',
  variables: '2022.3',
  'repo-metadata': '2022.3',
  'container-cmd': '2022.3',
  ima: '2022.9',
  metadata: '2022.13',
  'cliwrap-binaries': '2022.14',
  repovars: '2022.16',
  'selinux-label-version': '2023.9',
  'opt-usrlocal': '2024.4',
  edition: '2024.9',
  'ignore-devices': '2024.9',
  'finalize.d': '2024.9',
  sysusers: '2025.9',
  'advisories-metadata': '2025.11',
  'no-initramfs': '2026.1',
};

/**
 * Refuses a treefile with keys that this rpm-ostree does not have. Before 2018.8 it passes over them silently.
 * @throws NightlyError `unsupported`, naming each with its place.
 */
export function checkKeys(treefile: Treefile, { version }: RpmOstree): void {
  const faults = Object.entries(SINCE).flatMap(([key, since]) => {
    const origin = treefile.origins.get(key);
    // A value nobody wrote is the reader's own default and asks nothing of rpm-ostree.
    const written = origin !== undefined || (key === 'finalize.d' && (treefile.values['finalize.d']?.length ?? 0) > 0);
    if (!written || !isBefore(version, since)) return [];
    return `${formatPlace(origin ?? { file: treefile.path })}: "${key}" needs rpm-ostree ${since}`;
  });
  if (isBefore(version, '2018.8') && !treefile.path.endsWith('.json')) {
    faults.push(`${treefile.path}: treefiles in YAML need rpm-ostree 2018.8`);
  }
  if (faults.length === 0) return;
  throw new NightlyError('unsupported', `rpm-ostree ${version} cannot build this treefile:\n${faults.join('\n')}`, {
    hint: 'Use a newer rpm-ostree (engine.command may name a container), or set "engine: dnf".',
  });
}
