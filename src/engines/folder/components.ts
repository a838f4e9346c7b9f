import { join } from 'node:path';
import { byText } from '../../base/by-text.ts';
import { makeFolder, sha256 } from '../../base/files.ts';
import { oneLine } from '../../base/one-line.ts';
import { followInRoot } from '../../base/paths-in-root.ts';
import type { Task } from '../../base/task.ts';
import { readInTree } from '../../base/tree-files.ts';
import { RPMDB_FOLDERS } from '../../ostree/package-files.ts';
import { listInstalled, type RpmHeader } from '../../programs/rpm-installed.ts';
import type { PackageId } from '../../rpm/lockfile.ts';
import { comparePackages } from '../../rpm/pkgdiff.ts';
import type { Component } from '../provenance/component.ts';
import { type DebProvenance, type Provenance, provenanceOf } from '../provenance/provenance-format.ts';
import { rpmsOf } from '../provenance/rpm-provenance.ts';
import { copyRpmdb } from './copy-rpmdb.ts';
import type { ProvenanceReport } from './provenance-report.ts';

/** What a tree is made of, as far as it or who made it says so. */
export interface TreeComponents {
  /** Headers in its rpm database; undefined where it has none. */
  readonly rpms: readonly RpmHeader[] | undefined;
  /** Debian packages and reported components. */
  readonly others: readonly PackageId[];
  /** The same with where it comes from. */
  readonly provenance: Provenance;
}

/** Where trees keep dpkg's list of packages, the usual place first. */
const DPKG_STATUS = [
  'var/lib/dpkg/status',
  'usr/lib/dpkg/status',
  'usr/share/dpkg/status',
  'usr/lib/sysimage/dpkg/status',
];

/**
 * Reads the packages of a tree and the components that were reported. A database that cannot be read is told and left out.
 * @param options.signatures whether keys that signed RPM packages belong into the provenance
 */
export async function treeComponents(
  root: string,
  report: ProvenanceReport | undefined,
  { scratchDir, signatures = false }: { readonly scratchDir: string; readonly signatures?: boolean },
  task: Task,
): Promise<TreeComponents> {
  const rpms = await installedRpms(root, scratchDir, task);
  const debs = await installedDebs(root);
  const components = report?.components ?? [];
  const packages = rpmsOf(rpms ?? [], (_, { key }) => (signatures ? { key: key ?? null } : {}));
  const others = [...debs.map(({ id }) => id), ...components.flatMap(asPackage)];
  return {
    rpms,
    others: others.toSorted(comparePackages),
    provenance: provenanceOf({ packages, debs: debs.map(({ deb }) => deb).sort(byDeb), components }),
  };
}

const byDeb = (a: DebProvenance, b: DebProvenance): number => byText(debText(a), debText(b));
const debText = ({ name, version, arch }: DebProvenance): string => [name, version, arch].join('\0');

async function installedRpms(root: string, scratchDir: string, task: Task): Promise<RpmHeader[] | undefined> {
  for (const path of RPMDB_FOLDERS) {
    // rpm may write into a database that it reads, and the folder is somebody's.
    const copy = await copyRpmdb(followInRoot(root, path), join(scratchDir, 'rpmdb'));
    if (copy === undefined) continue;
    const home = join(scratchDir, 'home');
    await makeFolder(home);
    try {
      return (await listInstalled(copy, home, task)).toSorted(comparePackages);
    } catch (error) {
      task.signal.throwIfAborted();
      task.say(`the rpm database in ${path} cannot be read, so packages are not listed: ${String(error)}`);
      return undefined;
    }
  }
  return undefined;
}

interface InstalledDeb {
  readonly id: PackageId;
  readonly deb: DebProvenance;
}

async function installedDebs(root: string): Promise<InstalledDeb[]> {
  for (const path of DPKG_STATUS) {
    const text = await readInTree(followInRoot(root, path)).catch(() => undefined);
    if (text !== undefined) return text.split(/\n\n+/).flatMap(debOf);
  }
  return [];
}

/** Reads a paragraph of dpkg's status (deb-control(5)); epoch and revision are as in a version number of Debian policy. */
function debOf(paragraph: string): InstalledDeb[] {
  const field = (name: string): string => new RegExp(`^${name}: *(.*)$`, 'm').exec(paragraph)?.[1]?.trim() ?? '';
  const [name, arch, status] = [field('Package'), field('Architecture'), field('Status')];
  const [, epoch = '0', version = '', release = ''] = /^(?:(\d+):)?(.+?)(?:-([^-]*))?$/.exec(field('Version')) ?? [];
  if (!status.endsWith(' installed') || !/^[a-z0-9][a-z0-9+.-]*$/.test(name) || version === '') return [];
  const source = oneLine(field('Source'));
  const deb = { name, version: oneLine(field('Version')), arch, ...(source === '' ? {} : { source }) };
  return [{ id: { name, epoch, version, release, arch }, deb }];
}

/** So many characters of a key are shown, as BuildStream itself does. */
const SHORT_KEY = 8;

/**
 * A reported component as a package without release and architecture. Beside a version, or in its place, its key says which build
 * it is, or else what its sources are pinned to; without any of these nothing can tell that it changed, and it is left out.
 */
function asPackage({ name, version, key, sources }: Component): PackageId[] {
  const pins = sources.flatMap(({ commit, digest }) => commit ?? digest ?? []);
  const which = key?.slice(0, SHORT_KEY) ?? shortPins(pins);
  const text = version !== undefined && which !== undefined ? `${version} (${which})` : (version ?? which);
  return text === undefined ? [] : [{ name, epoch: '0', version: text, release: '', arch: '' }];
}

/** One pin as people know it, several by a digest over all: a change of any of them must be seen. */
function shortPins(pins: readonly string[]): string | undefined {
  const [first, ...others] = pins;
  if (first === undefined) return undefined;
  const bare = others.length === 0 ? first.replace(/^[a-z0-9]+:/, '') : sha256(pins.join('\0'));
  return bare.slice(0, SHORT_KEY);
}
