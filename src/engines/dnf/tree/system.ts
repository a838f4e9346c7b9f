import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../../tools/exec.ts';
import type { Task } from '../../../tools/task.ts';
import { inTree } from '../namespace.ts';
import { kindOf, namesIn } from './paths.ts';

/**
 * Does what an RPM distribution's scripts and triggers normally have done already, for packages that come without:
 * users of sysusers.d, the linker's cache, and units enabled by presets. Each is left out when the tree has no program
 * for it, and changes nothing when it was done before.
 */
export async function finishInstall(root: string, timestamp: number, task: Task): Promise<void> {
  const inside = async (...argv: string[]): Promise<void> => {
    const [command = '', ...args] = inTree(root, argv, { timestamp });
    await run(command, args, { task });
  };
  const sysusers = await program(root, 'systemd-sysusers');
  if (sysusers && (await namesIn(join(root, 'usr/lib/sysusers.d'))).length > 0) await inside(sysusers);
  const ldconfig = await program(root, 'ldconfig');
  // -X leaves the links beside libraries alone: these belong to the packages.
  if (ldconfig) await inside(ldconfig, '-X');
  const systemctl = await program(root, 'systemctl');
  if (systemctl && (await namesIn(join(root, 'usr/lib/systemd/system-preset'))).length > 0) {
    // What systemd itself does on a host's first boot; done here, the tree is the same whoever boots it.
    await inside(systemctl, 'preset-all', '--preset-mode=enable-only');
  }
}

/** Path in the tree of a program in one of the system's folders. */
export async function program(root: string, name: string): Promise<string | undefined> {
  for (const folder of ['usr/sbin', 'usr/bin']) {
    if (await kindOf(join(root, folder, name))) return `/${folder}/${name}`;
  }
  return undefined;
}

/**
 * What programs that change accounts leave beside these files: locks, backups, and files they were writing to
 * (lib/commonio.c of shadow-utils, vipw(8), systemd-sysusers, busybox).
 */
const ACCOUNT_LEFTOVER =
  /^(\.pwd\.lock|(?:passwd|group|shadow|gshadow|subuid|subgid)(?:-|\+|~|\.lock|\.edit|\.\d+)|\.#(?:passwd|group|shadow|gshadow)[0-9A-Za-z]*|n(?:passwd|shadow)|\.?[pg]tmp)$/;

/** Removes what rpm and friends leave behind: it differs from run to run, and means nothing on a host. */
export async function removeLeftovers(root: string): Promise<void> {
  for (const name of await namesIn(join(root, 'usr/etc'))) {
    if (ACCOUNT_LEFTOVER.test(name)) await rm(join(root, 'usr/etc', name), { recursive: true, force: true });
  }
  for (const path of [
    'usr/etc/.updated',
    'usr/etc/random-seed',
    'var/cache/ldconfig/aux-cache',
    'var/lib/systemd/random-seed',
  ]) {
    await rm(join(root, path), { recursive: true, force: true });
  }
  await mkdir(join(root, 'var'), { recursive: true });
}
