import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Config, EngineConfig } from '../config/config.ts';
import { sinkSecretFile } from '../config/secrets.ts';
import { whyNotWatched } from '../engines/dnf/asked.ts';
import { NightlyError } from '../errors.ts';
import { isErrno } from '../tools/files.ts';
import { probeKvm } from '../tools/kvm.ts';
import { probeRpmOstree } from '../tools/rpm-ostree.ts';
import type { Task } from '../tools/task.ts';
import type { CheckResult } from './check.ts';

const GIB = 2 ** 30;
/** A compose of the small lab host with one image takes about this. */
const LEAST = 3 * GIB;
/** A CentOS host: repo, RPM cache, and images of some nights. */
const PLENTY = 15 * GIB;

/** Free space where the work folder is or will be. */
export async function checkSpace(folder: string): Promise<CheckResult> {
  const name = `free space for ${folder}`;
  const existing = await nearestExisting(folder);
  const { bavail, bsize } = await statfs(existing);
  const free = bavail * bsize;
  const detail = `${(free / GIB).toFixed(1)} GiB`;
  if (free < LEAST) return { name, state: 'missing', detail: `${detail}; at least ${LEAST / GIB} GiB are needed` };
  if (free < PLENTY)
    return { name, state: 'note', detail: `${detail}; a full-size host needs about ${PLENTY / GIB} GiB` };
  return { name, state: 'ok', detail };
}

async function nearestExisting(folder: string): Promise<string> {
  try {
    await stat(folder);
    return folder;
  } catch (error) {
    if (!isErrno(error, 'ENOENT') || folder === dirname(folder)) throw error;
    return await nearestExisting(dirname(folder));
  }
}

/** KVM makes boot tests fast; without it they run in software, so its absence is a note. */
export async function checkKvm(): Promise<CheckResult> {
  const { usable, reason } = await probeKvm();
  return { name: 'KVM', state: usable ? 'ok' : 'note', detail: reason };
}

/** Without it a compose needs more time after a night that brought new packages, so its absence is a note. */
export async function checkWatching(task: Task): Promise<CheckResult> {
  const name = 'watching dracut';
  const unknown = await whyNotWatched(task);
  if (unknown === undefined) return { name, state: 'ok', detail: 'by seccomp' };
  return { name, state: 'note', detail: `not possible here (${unknown}); every new name in a tree runs dracut again` };
}

/** The configured rpm-ostree, natively or in its container. */
export async function checkRpmOstree(engine: EngineConfig): Promise<CheckResult> {
  const command = engine.type === 'rpm-ostree' ? engine.command : (['rpm-ostree'] as const);
  const name = command.join(' ');
  try {
    const { version } = await probeRpmOstree(command);
    return { name, state: 'ok', detail: version };
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    const detail = error.code === 'tool-missing' ? 'not installed' : error.message;
    const native = command.length === 1;
    return {
      name,
      state: 'missing',
      detail: native
        ? `${detail}; it is not in Debian: name a container in engine.command, or set "engine: dnf"`
        : detail,
      ...(native ? { install: { debian: '', fedora: 'rpm-ostree' } } : {}),
    };
  }
}

/** Keys and passwords a configuration names must be readable; private ones by their owner only, or ssh and rsync refuse them. */
export async function checkNamedFiles(config: Config): Promise<CheckResult[]> {
  const files: { readonly name: string; readonly path: string; readonly secret: boolean }[] = [];
  for (const stream of Object.values(config.streams)) {
    for (const path of stream.seed.gpgKeys) files.push({ name: `seed key of ${stream.name}`, path, secret: false });
  }
  for (const target of Object.values(config.targets)) {
    if (target.type !== 'rsync' && target.type !== 'ssh') continue;
    const { identityFile, knownHostsFile } = target.ssh;
    if (identityFile !== undefined) files.push({ name: `ssh key of ${target.name}`, path: identityFile, secret: true });
    if (knownHostsFile !== undefined) {
      files.push({ name: `known hosts of ${target.name}`, path: knownHostsFile, secret: false });
    }
    if (target.type === 'rsync' && target.passwordFile !== undefined) {
      files.push({ name: `password of ${target.name}`, path: target.passwordFile, secret: true });
    }
  }
  for (const sink of config.notify) {
    const path = sinkSecretFile(sink);
    if (path !== undefined) files.push({ name: `secret of sink ${sink.name}`, path, secret: true });
  }
  return await Promise.all(files.map(checkNamedFile));
}

async function checkNamedFile(file: { name: string; path: string; secret: boolean }): Promise<CheckResult> {
  const { name, path, secret } = file;
  try {
    await access(path, constants.R_OK);
    const { mode } = await stat(path);
    if (secret && (mode & 0o077) !== 0) {
      return { name, state: 'missing', detail: `${path} can be read by others; run: chmod 600 ${path}` };
    }
    return { name, state: 'ok', detail: path };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return { name, state: 'missing', detail: `there is no ${path}` };
    if (isErrno(error, 'EACCES')) return { name, state: 'missing', detail: `${path} may not be read by this user` };
    throw error;
  }
}
