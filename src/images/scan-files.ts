import { type Ext4InFile, listFolder, readText } from '../tools/debugfs.ts';
import { listFat } from '../tools/mtools.ts';
import type { Task } from '../tools/task.ts';
import { PARTITION_TYPES, type Partition, type PartitionTable, SECTOR_BYTES } from './disk/gpt.ts';

/**
 * Files on the disk that every host has to make for itself, or that point back to the build host, each as a sentence.
 * The file systems are read, not mounted. Names from systemd's documentation ("Safely Building Images").
 */
export async function strayFiles(raw: string, table: PartitionTable, task: Task): Promise<string[]> {
  const found: string[] = [];
  for (const partition of table.partitions) {
    const offsetBytes = partition.start * SECTOR_BYTES;
    if (partition.type === PARTITION_TYPES.efiSystem) {
      const files = await listFat({ file: raw, offsetBytes }, task);
      found.push(...files.filter((path) => /random-seed$/i.test(path)).map((path) => `a random seed: ${path}`));
    } else if (isRoot(partition)) {
      found.push(...(await strayInSysroot({ file: raw, offsetBytes }, task)));
    }
  }
  return found;
}

function isRoot(partition: Partition): boolean {
  return partition.name === 'root';
}

async function strayInSysroot(fs: Ext4InFile, task: Task): Promise<string[]> {
  const found = await strayUrls(fs, '/ostree/repo/config', task);
  for (const staging of (await listFolder(fs, '/ostree/repo/tmp', task)) ?? []) {
    found.push(`work files of ostree: /ostree/repo/tmp/${staging.name}`);
  }
  for (const stateroot of (await listFolder(fs, '/ostree/deploy', task)) ?? []) {
    const top = `/ostree/deploy/${stateroot.name}`;
    found.push(...(await strayInVar(fs, `${top}/var`, task)));
    for (const entry of (await listFolder(fs, `${top}/deploy`, task)) ?? []) {
      if (entry.type !== 'folder') continue;
      for (const etc of ['etc', 'usr/etc']) {
        found.push(...(await strayInEtc(fs, `${top}/deploy/${entry.name}/${etc}`, task)));
      }
    }
  }
  return found;
}

async function strayInEtc(fs: Ext4InFile, etc: string, task: Task): Promise<string[]> {
  const found: string[] = [];
  const machineId = (await readText(fs, `${etc}/machine-id`, task))?.trim() ?? '';
  // "uninitialized" asks systemd to take the boot for the first one.
  if (machineId !== '' && machineId !== 'uninitialized') found.push(`a machine-id: ${etc}/machine-id`);
  for (const { name } of (await listFolder(fs, `${etc}/ssh`, task)) ?? []) {
    if (/^ssh_host_.*key/.test(name)) found.push(`an ssh host key: ${etc}/ssh/${name}`);
  }
  for (const { name } of (await listFolder(fs, `${etc}/ostree/remotes.d`, task)) ?? []) {
    found.push(...(await strayUrls(fs, `${etc}/ostree/remotes.d/${name}`, task)));
  }
  return found;
}

async function strayInVar(fs: Ext4InFile, varDir: string, task: Task): Promise<string[]> {
  const seeds = (await listFolder(fs, `${varDir}/lib/systemd`, task)) ?? [];
  const dbus = (await listFolder(fs, `${varDir}/lib/dbus`, task)) ?? [];
  const keys = (await listFolder(fs, `${varDir}/roothome/.ssh`, task)) ?? [];
  return [
    ...seeds.filter(({ name }) => name === 'random-seed').map(() => `a random seed: ${varDir}/lib/systemd/random-seed`),
    // As a link to /etc/machine-id, the usual way, it holds nothing of its own.
    ...dbus
      .filter(({ name, type, size }) => name === 'machine-id' && type === 'file' && size > 0)
      .map(() => `a machine-id: ${varDir}/lib/dbus/machine-id`),
    ...keys.map(({ name }) => `ssh keys of root: ${varDir}/roothome/.ssh/${name}`),
  ];
}

/** Remotes that only the build host can reach. */
async function strayUrls(fs: Ext4InFile, path: string, task: Task): Promise<string[]> {
  const text = (await readText(fs, path, task)) ?? '';
  return text
    .split('\n')
    .filter((line) => /^\s*(?:[\w-]*url|parent)\s*=.*(?:file:|^\s*parent\s*=\s*\/)/.test(line))
    .map((line) => `a remote only this machine has: "${line.trim()}" in ${path}`);
}
