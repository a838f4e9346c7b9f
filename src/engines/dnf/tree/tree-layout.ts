import { chmod, lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../../base/errors.ts';
import { folderInTree, kindOf, linkInTree, namesIn, replaceInTree } from '../../../base/tree-files.ts';
import type { TreefileValues } from '../../../treefile/treefile-keys.ts';
import type { OptUsrLocalLayout } from './opt-usrlocal.ts';
import { at, entry } from './tree-paths.ts';

/** Links at the top of a tree: what an administrator owns lives in /var, which every deployment shares. */
const LINKS: Readonly<Record<string, string>> = {
  home: 'var/home',
  root: 'var/roothome',
  srv: 'var/srv',
  mnt: 'var/mnt',
  media: 'run/media',
  ostree: 'sysroot/ostree',
};

/** Folders a host mounts something on. */
const EMPTY_DIRS = ['boot', 'dev', 'proc', 'run', 'sys', 'sysroot', 'var'];

/** What the links above lead to, made at every boot. */
const INTEGRATION = [
  '# What the links at the top of the tree lead to. Written by the compose.',
  'd /var/home 0755 root root -',
  'd /var/mnt 0755 root root -',
  'd /var/roothome 0700 root root -',
  'd /var/srv 0755 root root -',
  'd /run/media 0755 root root -',
  // Where rpm of old looks for its database, and much else that lists packages.
  'L /var/lib/rpm - - - - ../../usr/share/rpm',
];

/** The name `etc` at the top, which `entry` takes for usr/etc. */
const ownEtc = (root: string): string => join(root, 'etc');

/** Moves /etc to usr/etc, and leaves an empty folder for it to be mounted on while programs run in the tree. */
export async function moveEtc(root: string): Promise<void> {
  if (await kindOf(entry(root, 'usr/etc'))) {
    throw new NightlyError('compose', 'A package has files in /usr/etc, which is where the tree keeps its /etc.', {
      hint: 'Find it with "rpm -qf /usr/etc" and exclude it.',
    });
  }
  for (const path of ['usr', 'etc']) {
    const kind = await kindOf(entry(root, path));
    if (kind === undefined || kind === 'dir') continue;
    throw new NightlyError('compose', `/${path} is not a folder in the tree.`, {
      hint: 'Find the package or script that replaces it, and exclude or correct it.',
    });
  }
  await folderInTree(at(root, 'usr'));
  await rename(entry(root, 'etc'), entry(root, 'usr/etc'));
  await mkdir(ownEtc(root));
}

/**
 * Gives the tree the top level of an rpm-ostree commit. Called last: programs run in the tree before that.
 * @throws NightlyError `compose` when packages have files where the administrator of a host keeps theirs.
 */
export async function makeTopLevel(
  root: string,
  values: TreefileValues,
  { optLink, usrLocalLink, integration }: OptUsrLocalLayout,
): Promise<void> {
  await rm(ownEtc(root), { recursive: true });
  for (const [name, target] of Object.entries(LINKS)) {
    await refuseFiles(root, name);
    await linkInTree(entry(root, name), target);
  }
  if (optLink !== undefined) await linkInTree(entry(root, 'opt'), optLink);
  if (usrLocalLink !== undefined) await linkInTree(entry(root, 'usr/local'), usrLocalLink);
  if (values['tmp-is-dir'] === true) await emptyDir(entry(root, 'tmp'), 0o1777);
  else await linkInTree(entry(root, 'tmp'), 'sysroot/tmp');
  for (const name of EMPTY_DIRS) await emptyDir(entry(root, name), 0o755);
  // For programs, and packages' lists of files, that know modules of SELinux policies in /var only.
  const store = (await kindOf(entry(root, 'usr/etc/selinux'))) ? ['L /var/lib/selinux - - - - ../../etc/selinux'] : [];
  await replaceInTree(
    entry(root, 'usr/lib/tmpfiles.d/rpm-ostree-0-integration.conf'),
    `${[...INTEGRATION, ...store, ...integration].join('\n')}\n`,
  );
  const known = new Set([
    ...Object.keys(LINKS),
    ...EMPTY_DIRS,
    'opt',
    'tmp',
    'usr',
    'bin',
    'sbin',
    'lib',
    'lib64',
    'lib32',
    'libx32',
  ]);
  const strange = (await namesIn(root)).filter((name) => !known.has(name));
  if (strange.length > 0) {
    throw new NightlyError(
      'compose',
      `The tree has ${strange.map((name) => `/${name}`).join(', ')} at its top, which an OSTree host has no place for.`,
      {
        hint: 'Move it below /usr, or remove it with remove-files.',
      },
    );
  }
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    if ((await kindOf(entry(root, name))) === 'dir') {
      throw new NightlyError('compose', `/${name} is a folder in the tree; it must be a link to usr/${name}.`, {
        hint: 'The package filesystem should own that link.',
      });
    }
  }
}

/** Programs look for the machine id at /etc/machine-id: empty means "make one for this boot", absent "first boot". */
export async function setMachineId(root: string, values: TreefileValues): Promise<void> {
  const path = entry(root, 'usr/etc/machine-id');
  await rm(path, { recursive: true, force: true });
  if (values['machineid-compat'] !== false) await replaceInTree(path, '', 0o444);
}

async function refuseFiles(root: string, path: string): Promise<void> {
  const found = await firstFile(entry(root, path));
  if (found === undefined) return;
  throw new NightlyError(
    'compose',
    `The tree has ${found.slice(root.length)}, but on an OSTree host /${path} belongs to the administrator and lives in /var.`,
    { hint: 'Exclude the package, have it moved below /usr/lib, or remove the files with remove-files.' },
  );
}

/** Returns the first thing below a folder that is not a folder. */
async function firstFile(path: string): Promise<string | undefined> {
  if ((await kindOf(path)) !== 'dir') return undefined;
  for (const name of await namesIn(path)) {
    const inner = join(path, name);
    const found = (await lstat(inner)).isDirectory() ? await firstFile(inner) : inner;
    if (found !== undefined) return found;
  }
  return undefined;
}

async function emptyDir(path: string, mode: number): Promise<void> {
  if ((await kindOf(path)) === 'dir') {
    for (const name of await readdir(path)) await rm(join(path, name), { recursive: true });
  } else {
    await rm(path, { force: true });
    await mkdir(path);
  }
  await chmod(path, mode);
}
