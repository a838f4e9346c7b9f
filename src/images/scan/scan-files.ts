import type { Task } from '../../base/task.ts';
import { listFat } from '../../programs/mtools.ts';
import { PARTITION_TYPES, type PartitionTable, SECTOR_BYTES } from '../disk/gpt.ts';
import { ext4Tree, type FileTree } from './scan-trees.ts';

/**
 * Files on the disk that every host has to make for itself, or that point back to the build host, each as a sentence.
 * The file systems are read, not mounted. Names from systemd's documentation ("Safely Building Images").
 */
export async function strayFiles(
  raw: string,
  table: PartitionTable,
  root: { readonly tree?: FileTree | undefined; readonly keys: readonly string[] },
  task: Task,
): Promise<string[]> {
  const found: string[] = [];
  for (const { start, type, name } of table.partitions) {
    const at = { file: raw, offsetBytes: start * SECTOR_BYTES };
    if (type === PARTITION_TYPES.efiSystem) {
      const files = await listFat(at, task);
      found.push(...files.filter((path) => /random-seed$/i.test(path)).map((path) => `a random seed: ${path}`));
    } else if (name === 'root') {
      found.push(...(await strayInSysroot(root.tree ?? ext4Tree(at, task), root.keys)));
    }
  }
  return found;
}

async function strayInSysroot(tree: FileTree, keys: readonly string[]): Promise<string[]> {
  const found = await strayUrls(tree, '/ostree/repo/config');
  for (const staging of await tree.list('/ostree/repo/tmp')) {
    found.push(`work files of ostree: /ostree/repo/tmp/${staging.name}`);
  }
  for (const stateroot of await tree.list('/ostree/deploy')) {
    const top = `/ostree/deploy/${stateroot.name}`;
    found.push(...(await strayInVar(tree, `${top}/var`, keys)));
    for (const entry of await tree.list(`${top}/deploy`)) {
      if (entry.type !== 'folder') continue;
      for (const etc of ['etc', 'usr/etc']) {
        found.push(...(await strayInEtc(tree, `${top}/deploy/${entry.name}/${etc}`)));
      }
    }
  }
  return found;
}

async function strayInEtc(tree: FileTree, etc: string): Promise<string[]> {
  const found: string[] = [];
  const machineId = (await tree.text(`${etc}/machine-id`))?.trim() ?? '';
  // "uninitialized" asks systemd to take the boot for the first one.
  if (machineId !== '' && machineId !== 'uninitialized') found.push(`a machine-id: ${etc}/machine-id`);
  for (const { name } of await tree.list(`${etc}/ssh`)) {
    if (/^ssh_host_.*key/.test(name)) found.push(`an ssh host key: ${etc}/ssh/${name}`);
  }
  for (const { name } of await tree.list(`${etc}/ostree/remotes.d`)) {
    found.push(...(await strayUrls(tree, `${etc}/ostree/remotes.d/${name}`)));
  }
  return found;
}

async function strayInVar(tree: FileTree, varDir: string, keys: readonly string[]): Promise<string[]> {
  const seeds = await tree.list(`${varDir}/lib/systemd`);
  const dbus = await tree.list(`${varDir}/lib/dbus`);
  const homes = (await tree.list(`${varDir}/home`)).map(({ name }) => `${varDir}/home/${name}`);
  const found = [
    ...seeds.filter(({ name }) => name === 'random-seed').map(() => `a random seed: ${varDir}/lib/systemd/random-seed`),
    // As a link to /etc/machine-id, the usual way, it holds nothing of its own.
    ...dbus
      .filter(({ name, type, size }) => name === 'machine-id' && type === 'file' && size > 0)
      .map(() => `a machine-id: ${varDir}/lib/dbus/machine-id`),
  ];
  for (const home of [`${varDir}/roothome`, ...homes]) found.push(...(await strayKeys(tree, `${home}/.ssh`, keys)));
  return found;
}

/** Keys that let somebody in, or out, other than those the image type names. */
async function strayKeys(tree: FileTree, folder: string, allowed: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const { name } of await tree.list(folder)) {
    const lines = name === 'authorized_keys' ? ((await tree.text(`${folder}/${name}`)) ?? '').split('\n') : [''];
    const stray = name !== 'authorized_keys' || lines.some((line) => line !== '' && !allowed.includes(line));
    if (stray) found.push(`ssh keys that the image type does not name: ${folder}/${name}`);
  }
  return found;
}

/** Remotes that only the build host can reach. */
async function strayUrls(tree: FileTree, path: string): Promise<string[]> {
  const text = (await tree.text(path)) ?? '';
  return text
    .split('\n')
    .filter((line) => /^\s*(?:[\w-]*url|parent)\s*=.*(?:file:|^\s*parent\s*=\s*\/)/.test(line))
    .map((line) => `a remote only this machine has: "${line.trim()}" in ${path}`);
}
