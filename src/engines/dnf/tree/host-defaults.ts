import { lstat } from 'node:fs/promises';
import {
  kindOf,
  linkInTree,
  readInTree,
  replaceInTree,
  rewriteInTree,
  setModeInTree,
} from '../../../base/tree-files.ts';
import { at, entry } from './tree-paths.ts';

/**
 * Units of ostree itself that every host needs: the first makes /usr read-only again after a remount, the second writes a
 * staged deployment at shutdown.
 */
const OSTREE_UNITS = ['ostree-remount.service', 'ostree-finalize-staged.path'] as const;

const UNITS = '/usr/lib/systemd/system';

/**
 * Adapts files that packages ship for a host whose /usr is read-only and whose state lives in /var: homes, the place of
 * the package database, and ostree's own units.
 */
export async function setHostDefaults(root: string): Promise<void> {
  await setHomes(root);
  await tellRpmItsDatabase(root);
  await enableOstreeUnits(root);
}

/** /home is a link to var/home; with the real path in passwd a shell shows `~`, and SELinux labels the folder. */
async function setHomes(root: string): Promise<void> {
  const path = at(root, '/etc/default/useradd');
  if ((await kindOf(path)) !== 'file') return;
  const old = (await readInTree(path)) ?? '';
  const changed = old.replace(/^HOME=.*$/gm, 'HOME=/var/home');
  if (changed !== old) await rewriteInTree(path, changed);
}

/**
 * rpm looks in /var/lib/rpm or in its own build's place. The link that systemd-tmpfiles makes leads the first to the
 * database; this macro reaches both, also on hosts where /var/lib/rpm is a folder already.
 */
async function tellRpmItsDatabase(root: string): Promise<void> {
  await replaceInTree(entry(root, '/usr/lib/rpm/macros.d/macros.rpm-ostree'), '%_dbpath /usr/share/rpm\n');
}

/**
 * Enables ostree's units in /usr, where no `preset-all` of a first boot takes them away, and says so in a preset as well,
 * for those who ask what is meant to be enabled.
 */
async function enableOstreeUnits(root: string): Promise<void> {
  const there: string[] = [];
  for (const unit of OSTREE_UNITS) if (await kindOf(entry(root, `${UNITS}/${unit}`))) there.push(unit);
  if (there.length === 0) return;
  for (const unit of there) {
    const link = entry(root, `${UNITS}/multi-user.target.wants/${unit}`);
    if (!(await kindOf(link))) await linkInTree(link, `../${unit}`);
  }
  const lines = ['# Written by the compose.', ...there.map((unit) => `enable ${unit}`)];
  const preset = entry(root, '/usr/lib/systemd/system-preset/40-rpm-ostree-auto.preset');
  await replaceInTree(preset, `${lines.join('\n')}\n`);
}

/**
 * Lets everybody read the initramfs, so that `lsinitrd` works as a user: it is made of public packages and holds no secret
 * of any host. dracut makes it for a host's root alone.
 */
export async function openInitramfs(root: string, kver: string): Promise<void> {
  const path = at(root, 'usr/lib/modules', kver, 'initramfs.img');
  if ((await kindOf(path)) === 'file' && ((await lstat(path)).mode & 0o777) !== 0o644) await setModeInTree(path, 0o644);
}
