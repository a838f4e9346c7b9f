import { lstat, readlink, rename } from 'node:fs/promises';
import { dirname, posix } from 'node:path';
import { NightlyError } from '../../../base/errors.ts';
import { formatCount } from '../../../base/format.ts';
import type { Task } from '../../../base/task.ts';
import { folderInTree, kindOf, linkInTree, namesIn } from '../../../base/tree-files.ts';
import type { TreefileValues } from '../../../treefile/treefile-keys.ts';
import { escapePath, linkTarget } from './tmpfiles.ts';
import { at, entry } from './tree-paths.ts';

/** Values of `opt-usrlocal`: whose /opt and /usr/local are. */
export type OptUsrLocal = NonNullable<TreefileValues['opt-usrlocal']>;

/** What /opt and /usr/local of a tree become. */
export interface OptUsrLocalLayout {
  /** What /opt at the top is a link to; undefined: it is a folder of the tree. */
  readonly optLink?: string;
  /** What /usr/local is a link to, seen from /usr; undefined: it is a folder of the tree. */
  readonly usrLocalLink?: string;
  /** tmpfiles.d lines that give hosts what packages have in /opt. */
  readonly lines: readonly string[];
  /** tmpfiles.d lines for what the links lead to. */
  readonly integration: readonly string[];
}

const USR_LOCAL = ['bin', 'etc', 'games', 'include', 'lib', 'man', 'sbin', 'share', 'src'];

/**
 * Deals with what packages have in /opt and /usr/local, as rpm-ostree does by default (`var`): /opt/NAME moves to
 * /usr/lib/opt/NAME, and every host gets a link to it in its /var/opt; files in /usr/local are left out, for it belongs to
 * a host's administrator. With `state-overlay` both are kept, and a host's own files lie over them; with `root` both are
 * plain folders of the tree.
 * @throws NightlyError `compose` when a package has /usr/lib/opt/NAME already, or the tree cannot have overlays.
 */
export async function settleOptUsrLocal(root: string, kind: OptUsrLocal, task: Task): Promise<OptUsrLocalLayout> {
  switch (kind) {
    case 'root':
      await folderInTree(at(root, 'opt'));
      await folderInTree(at(root, 'usr/local'));
      return { lines: [], integration: [] };
    case 'state-overlay':
      await moveOpt(root);
      await folderInTree(at(root, 'usr/lib/opt'));
      await folderInTree(at(root, 'usr/local'));
      await enableOverlays(root);
      return {
        optLink: 'usr/lib/opt',
        lines: [],
        integration: ['L /var/usrlocal - - - - ../usr/local', 'L /var/opt - - - - ../usr/lib/opt'],
      };
    case 'var': {
      const moved = await moveOpt(root);
      await sayDropped(root, task);
      return {
        optLink: 'var/opt',
        usrLocalLink: '../var/usrlocal',
        lines: moved.map((name) => `L ${escapePath(`/opt/${name}`)} - - - - ../../usr/lib/opt/${linkTarget(name)}`),
        integration: [
          'd /var/opt 0755 root root -',
          'd /var/usrlocal 0755 root root -',
          ...USR_LOCAL.map((name) => `d /var/usrlocal/${name} 0755 root root -`),
        ],
      };
    }
  }
}

/** Moves what is in /opt to /usr/lib/opt. @returns the names that were moved. */
async function moveOpt(root: string): Promise<string[]> {
  const names = (await kindOf(entry(root, 'opt'))) === 'dir' ? await namesIn(at(root, 'opt')) : [];
  for (const name of names) {
    const target = entry(root, `/usr/lib/opt/${name}`);
    if (await kindOf(target)) {
      throw new NightlyError(
        'compose',
        `The tree has /opt/${name} and /usr/lib/opt/${name}, and the first has to become the second.`,
        {
          hint: 'Exclude one of the packages, or remove one with remove-files.',
        },
      );
    }
    await folderInTree(dirname(target));
    await keepLinksOut(root, `/opt/${name}`);
    await rename(entry(root, 'opt', name), target);
  }
  return names;
}

/** Makes relative links that lead out of /opt absolute: a folder deeper they would lead elsewhere. */
async function keepLinksOut(root: string, path: string): Promise<void> {
  const here = entry(root, path);
  const info = await lstat(here);
  if (info.isDirectory()) for (const name of await namesIn(here)) await keepLinksOut(root, posix.join(path, name));
  if (!info.isSymbolicLink()) return;
  const target = await readlink(here);
  const absolute = posix.resolve(posix.dirname(path), target);
  if (target.startsWith('/') || absolute === '/opt' || absolute.startsWith('/opt/')) return;
  await linkInTree(here, absolute);
}

async function sayDropped(root: string, task: Task): Promise<void> {
  const dropped = await filesIn(root, '/usr/local');
  if (dropped.length === 0) return;
  const list = dropped.slice(0, 5).join(', ');
  const more = dropped.length > 5 ? ', …' : '';
  task.say(
    `left out of the tree: ${formatCount(dropped.length, 'file')} in /usr/local (${list}${more}), which is the host's own; "opt-usrlocal: state-overlay" keeps them`,
  );
}

async function filesIn(root: string, path: string): Promise<string[]> {
  if ((await kindOf(entry(root, path))) !== 'dir') return [];
  const found: string[] = [];
  for (const name of await namesIn(at(root, path))) {
    const inner = posix.join(path, name);
    if ((await kindOf(entry(root, inner))) === 'dir') found.push(...(await filesIn(root, inner)));
    else found.push(inner);
  }
  return found;
}

const OVERLAYS = ['ostree-state-overlay@usr-lib-opt.service', 'ostree-state-overlay@usr-local.service'] as const;

async function enableOverlays(root: string): Promise<void> {
  const units = '/usr/lib/systemd/system';
  if (!(await kindOf(entry(root, `${units}/ostree-state-overlay@.service`)))) {
    throw new NightlyError(
      'compose',
      'The tree has no ostree-state-overlay@.service, which "opt-usrlocal: state-overlay" needs.',
      {
        hint: 'It comes with ostree 2024.2 and later; take another value, or a newer ostree.',
      },
    );
  }
  for (const unit of OVERLAYS) {
    const link = entry(root, `${units}/local-fs.target.requires/${unit}`);
    if (!(await kindOf(link))) await linkInTree(link, `../${unit}`);
  }
}
