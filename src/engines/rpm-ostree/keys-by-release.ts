import { formatPlace, NightlyError, type SourcePlace } from '../../base/errors.ts';
import { isBefore, type RpmOstree } from '../../programs/rpm-ostree.ts';
import type { KeyUse, Treefile } from '../../treefile/treefile.ts';
import type { KeyName } from '../../treefile/treefile-keys.ts';

/**
 * The first release that has a key, read from rust/src/treefile.rs of the tagged releases; keys that are not here are
 * in 2018.7 already, the oldest release this engine knows (CentOS 7).
 */
const SINCE: Readonly<Partial<Record<KeyName, string>>> = {
  recommends: '2018.8',
  container: '2018.10',
  basearch: '2019.3',
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
 * Refuses a treefile with keys, values or spellings that this rpm-ostree does not have, or on which it is known to fail.
 * Before 2018.8 it passes over unknown keys silently.
 * @throws NightlyError `unsupported`, naming each with its place, and what to write instead where there is something.
 */
export function checkKeys(treefile: Treefile, { version }: RpmOstree): void {
  const { path, values, origins } = treefile;
  const faults: Refusal[] = Object.entries(SINCE).flatMap(([key, since]) => {
    const origin = origins.get(key);
    // A value nobody wrote is the reader's own default and asks nothing of rpm-ostree.
    const written = origin !== undefined || (key === 'finalize.d' && (values['finalize.d']?.length ?? 0) > 0);
    if (!written || !isBefore(version, since)) return [];
    return [{ place: origin ?? { file: path }, message: `"${key}" needs rpm-ostree ${since}` }];
  });
  // A key that is not known at all needs no word about its value.
  const unknown = new Set(faults.map(({ place }) => formatPlace(place)));
  for (const use of treefile.uses) {
    const refused = unknown.has(formatPlace(use.place)) ? undefined : refuseUse(use, version);
    if (refused) faults.push(refused);
  }
  faults.push(...refusePreservedIds(treefile, version));
  if (isBefore(version, '2018.8') && !path.endsWith('.json')) {
    faults.push({ place: { file: path }, message: 'treefiles in YAML need rpm-ostree 2018.8' });
  }
  if (faults.length === 0) return;
  const lines = faults.map(
    ({ place, message, instead }) =>
      `${formatPlace(place)}: ${message}${instead === undefined ? '' : `; write ${instead} instead`}`,
  );
  const newer = 'use a newer rpm-ostree (engine.command may name a container), or set "engine: dnf"';
  const writable = faults.every(({ instead }) => instead !== undefined);
  throw new NightlyError('unsupported', `rpm-ostree ${version} cannot build this treefile:\n${lines.join('\n')}`, {
    hint: writable ? `Write what the lines above say; or ${newer}.` : `${newer[0]?.toUpperCase()}${newer.slice(1)}.`,
  });
}

interface Refusal {
  readonly place: SourcePlace;
  readonly message: string;
  /** What the same release takes for it. */
  readonly instead?: string | undefined;
}

/** Names that had underscores only before a release; in JSON some releases pass over the others without a word. */
const SPELLED_SINCE: Readonly<Record<string, string>> = {
  'gpg-key': '2019.3',
  'boot-location': '2019.3',
  'default-target': '2019.3',
  'automatic-version-prefix': '2019.3',
  'bootstrap-packages': '2022.2',
};

/** Keys that are gone once a treefile is flattened; but rpm-ostree reads the treefile itself. */
const STEERING_SINCE: Readonly<Record<string, string>> = { 'arch-include': '2019.6', 'conditional-include': '2022.3' };

/** A value of a key: releases that take it, and what the others take for it. */
interface ValueRule {
  readonly since: string;
  /** The first release that refuses it again. */
  readonly until?: string;
  readonly instead?: string | undefined;
}

const VALUES: Readonly<Record<string, Readonly<Record<string, readonly ValueRule[]>>>> = {
  'boot-location': {
    new: [{ since: '2018.7' }],
    modules: [{ since: '2019.3', instead: '"new"' }],
    'kernel-install': [{ since: '2025.1', instead: '"modules"' }],
  },
  rpmdb: {
    sqlite: [{ since: '2020.5' }],
    // Before, a database is written as this host's rpm does, or as the value says.
    target: [{ since: '2021.9', instead: '"sqlite" (or the kind that the rpm in the tree reads)' }],
    host: [{ since: '2021.9', instead: '"sqlite" (or the kind that the rpm of this host writes)' }],
    bdb: [{ since: '2021.5', instead: '"b-d-b"' }],
    ndb: [{ since: '2021.5', instead: '"n-d-b"' }],
    'b-d-b': [
      { since: '2020.5', until: '2021.5' },
      { since: '2021.7', instead: '"bdb"' },
    ],
    'n-d-b': [{ since: '2020.5', until: '2021.5', instead: '"ndb"' }],
  },
};

function refuseUse(use: KeyUse, version: string): Refusal | undefined {
  const { key, place, valuePlace, value } = use;
  const spelled = SPELLED_SINCE[key];
  if (spelled !== undefined && isBefore(version, spelled)) {
    const message = `"${key}" is spelled with underscores before rpm-ostree ${spelled}`;
    return { place, message, instead: `"${key.replaceAll('-', '_')}"` };
  }
  const steering = STEERING_SINCE[key];
  if (steering !== undefined && isBefore(version, steering)) {
    return { place, message: `"${key}" needs rpm-ostree ${steering}` };
  }
  if (use.inlined === true && isBefore(version, '2025.8')) {
    const message = 'a treefile written out in "conditional-include" needs rpm-ostree 2025.8';
    return { place, message, instead: 'it into a file of its own, and its name' };
  }
  if (key === 'include' && use.kind === 'list' && isBefore(version, '2019.5')) {
    return { place, message: 'a list of files in "include" needs rpm-ostree 2019.5' };
  }
  if (key === 'releasever' && use.kind === 'number' && isBefore(version, '2022.3')) {
    const message = '"releasever" as a number needs rpm-ostree 2022.3';
    return { place: valuePlace, message, instead: `it in quotes: "${value}"` };
  }
  const rules = value === undefined ? undefined : VALUES[key.replaceAll('_', '-')]?.[value];
  if (!rules || rules.some((rule) => takes(rule, version))) return undefined;
  const last = rules.at(-1);
  const needed = rules.find(({ since }) => isBefore(version, since));
  const message = needed
    ? `the value "${value}" of "${key}" needs rpm-ostree ${needed.since}`
    : `rpm-ostree ${last?.until} dropped the value "${value}" of "${key}"`;
  return { place: valuePlace, message, instead: last?.instead };
}

function takes({ since, until }: ValueRule, version: string): boolean {
  return !isBefore(version, since) && (until === undefined || isBefore(version, until));
}

/**
 * From 2018.10 to 2021.1 rpm-ostree fails on every commit that follows another, when it is to keep the ids of that one:
 * "openat(etc/passwd): No such file or directory". It does not look for them where there are lists of ids.
 */
function refusePreservedIds({ path, values, origins }: Treefile, version: string): Refusal[] {
  if (isBefore(version, '2018.10') || !isBefore(version, '2021.2')) return [];
  if (values['preserve-passwd'] === false || values['check-passwd']?.type === 'file') return [];
  const place = origins.get('preserve-passwd') ?? origins.get('check-passwd') ?? { file: path };
  const message = `rpm-ostree 2018.10 to 2021.1 fail on the second build while "preserve-passwd" is true, its default`;
  return [{ place, message, instead: '"preserve-passwd: false" (or check-passwd and check-groups of type "file")' }];
}
