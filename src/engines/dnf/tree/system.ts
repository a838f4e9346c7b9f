import { rm } from 'node:fs/promises';
import { relative } from 'node:path';
import { NightlyError } from '../../../base/errors.ts';
import { oneLine } from '../../../base/one-line.ts';
import type { Task } from '../../../base/task.ts';
import { folderInTree, kindOf, namesIn } from '../../../base/tree-files.ts';
import { run } from '../../../programs/exec.ts';
import { inTree } from '../namespace.ts';
import { at, entry } from './tree-paths.ts';

/**
 * Makes the users of sysusers.d for packages that only declare them: rpm makes those itself since 4.19, which may be
 * newer than the build host's. Nothing changes where package scripts have made them. What else scripts do for a package
 * (units enabled by presets, the linker's cache) is theirs alone: units that no script enabled are off, as they would be
 * had the host been installed by dnf.
 */
export async function makeDeclaredUsers(root: string, timestamp: number, task: Task): Promise<void> {
  const sysusers = await program(root, 'systemd-sysusers');
  if (sysusers === undefined || (await namesIn(at(root, 'usr/lib/sysusers.d'))).length === 0) return;
  await refuseDevices(root);
  const [command = '', ...args] = inTree(root, [sysusers], { timestamp });
  await run(command, args, { task });
}

/** Folders that systemd-sysusers reads (sysusers.d(5)). */
const DECLARATIONS = ['etc/sysusers.d', 'run/sysusers.d', 'usr/local/lib/sysusers.d', 'usr/lib/sysusers.d'];

/** A link to /dev/zero or a terminal would be read for ever (I7); one to /dev/null is how a file is masked. */
async function refuseDevices(root: string): Promise<void> {
  const found: string[] = [];
  for (const folder of DECLARATIONS) {
    for (const name of await namesIn(at(root, folder))) {
      const leads = relative(root, at(root, folder, name));
      if (/^dev\//.test(leads) && leads !== 'dev/null') found.push(`  /${folder}/${oneLine(name)} leads to /${leads}`);
    }
  }
  if (found.length === 0) return;
  throw new NightlyError('compose', `Users cannot be declared by devices:\n${found.join('\n')}`, {
    hint: 'Find the package or script that makes these links, and correct it.',
  });
}

/** Path in the tree of a program in one of the system's folders. */
export async function program(root: string, name: string): Promise<string | undefined> {
  for (const folder of ['usr/sbin', 'usr/bin']) {
    if (await kindOf(entry(root, folder, name))) return `/${folder}/${name}`;
  }
  return undefined;
}

/**
 * What programs that change accounts leave beside these files: locks, backups, and files they were writing to
 * (lib/commonio.c of shadow-utils, vipw(8), systemd-sysusers, busybox).
 */
const ACCOUNT_LEFTOVER =
  /^(\.pwd\.lock|(?:passwd|group|shadow|gshadow|subuid|subgid)(?:-|\+|~|\.lock|\.edit|\.\d+)|\.#(?:passwd|group|shadow|gshadow)[0-9A-Za-z]*|n(?:passwd|shadow)|\.?[pg]tmp)$/;

/** The same in folders below: of useradd -D and pam_unix. Not security/opasswd, which is a package's, empty. */
const LEFTOVERS = ['usr/etc/default/useradd-', 'usr/etc/security/nopasswd'];

/** Removes what rpm and friends leave behind: it differs from run to run, and means nothing on a host. */
export async function removeLeftovers(root: string): Promise<void> {
  for (const name of await namesIn(at(root, 'usr/etc'))) {
    if (ACCOUNT_LEFTOVER.test(name)) await rm(entry(root, 'usr/etc', name), { recursive: true, force: true });
  }
  for (const path of [
    ...LEFTOVERS,
    'usr/etc/.updated',
    'usr/etc/random-seed',
    'var/cache/ldconfig/aux-cache',
    'var/lib/systemd/random-seed',
  ]) {
    await rm(entry(root, path), { recursive: true, force: true });
  }
  await folderInTree(at(root, 'var'));
}
