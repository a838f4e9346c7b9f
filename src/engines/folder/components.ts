import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { followInRoot } from '../../base/paths-in-root.ts';
import type { Task } from '../../base/task.ts';
import { readInTree } from '../../base/tree-files.ts';
import { RPMDB_FOLDERS } from '../../ostree/package-files.ts';
import { listInstalled } from '../../programs/rpm.ts';
import type { PackageId } from '../../rpm/lockfile.ts';
import { comparePackages } from '../../rpm/pkgdiff.ts';
import { copyRpmdb } from './copy-rpmdb.ts';
import type { Component, ProvenanceReport } from './provenance-report.ts';

/** What a tree is made of, as far as it or who made it says so. */
export interface TreeComponents {
  /** As its rpm database has them; undefined where it has none. */
  readonly rpms: readonly PackageId[] | undefined;
  /** Debian packages and reported components. */
  readonly others: readonly PackageId[];
}

/** Where trees keep dpkg's list of packages, the usual place first. */
const DPKG_STATUS = [
  'var/lib/dpkg/status',
  'usr/lib/dpkg/status',
  'usr/share/dpkg/status',
  'usr/lib/sysimage/dpkg/status',
];

/** Reads the packages of a tree and the components that were reported. A database that cannot be read is told and left out. */
export async function treeComponents(
  root: string,
  report: ProvenanceReport | undefined,
  scratchDir: string,
  task: Task,
): Promise<TreeComponents> {
  const rpms = await installedRpms(root, scratchDir, task);
  const others = [...(await installedDebs(root)), ...(report?.components ?? []).flatMap(asPackage)];
  return { rpms, others: others.toSorted(comparePackages) };
}

async function installedRpms(root: string, scratchDir: string, task: Task): Promise<PackageId[] | undefined> {
  for (const path of RPMDB_FOLDERS) {
    // rpm may write into a database that it reads, and the folder is somebody's.
    const copy = await copyRpmdb(followInRoot(root, path), join(scratchDir, 'rpmdb'));
    if (copy === undefined) continue;
    const home = join(scratchDir, 'home');
    await mkdir(home, { recursive: true });
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

async function installedDebs(root: string): Promise<PackageId[]> {
  for (const path of DPKG_STATUS) {
    const text = await readInTree(followInRoot(root, path)).catch(() => undefined);
    if (text !== undefined) return text.split(/\n\n+/).flatMap(debOf);
  }
  return [];
}

/** Reads a paragraph of dpkg's status (deb-control(5)); epoch and revision are as in a version number of Debian policy. */
function debOf(paragraph: string): PackageId[] {
  const field = (name: string): string => new RegExp(`^${name}: *(.*)$`, 'm').exec(paragraph)?.[1]?.trim() ?? '';
  const [name, arch, status] = [field('Package'), field('Architecture'), field('Status')];
  const [, epoch = '0', version = '', release = ''] = /^(?:(\d+):)?(.+?)(?:-([^-]*))?$/.exec(field('Version')) ?? [];
  if (!status.endsWith(' installed') || !/^[a-z0-9][a-z0-9+.-]*$/.test(name) || version === '') return [];
  return [{ name, epoch, version, release, arch }];
}

/** So many characters of a key are shown, as BuildStream itself does. */
const SHORT_KEY = 8;

/**
 * A reported component as a package without release and architecture. Without a version its key says which build it is, or
 * else what its first source is pinned to; without these nothing can tell that it changed, and it is left out.
 */
function asPackage({ name, version, key, sources }: Component): PackageId[] {
  const pinned = sources.map(({ commit, digest }) => commit ?? digest).find((one) => one !== undefined);
  const shown = version ?? key?.slice(0, SHORT_KEY) ?? pinned?.replace(/^sha256:/, '').slice(0, SHORT_KEY);
  const text = version !== undefined && key !== undefined ? `${version} (${key.slice(0, SHORT_KEY)})` : shown;
  return text === undefined ? [] : [{ name, epoch: '0', version: text, release: '', arch: '' }];
}
