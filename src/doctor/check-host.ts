import { access, constants, readdir, stat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { isErrno } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { probeKvm } from '../boot/kvm.ts';
import type { Config, EngineConfig, StreamConfig } from '../config/config.ts';
import { sinkSecretFile } from '../config/secrets.ts';
import { whyNotWatched } from '../engines/dnf/asked.ts';
import { checkKeys } from '../engines/rpm-ostree/keys-by-release.ts';
import { findProgram } from '../programs/find-program.ts';
import { probeRpmOstree, type RpmOstree } from '../programs/rpm-ostree.ts';
import { DOUBTED_CLOCK_HINT, doubtedClock } from '../run/doubted-clock.ts';
import { readTreefile } from '../treefile/read.ts';
import type { CheckResult } from './doctor-check.ts';

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

/** The clock, by the servers of all targets: nights are dated, and retention goes, by it. */
export async function checkClock({ targets }: Pick<Config, 'targets'>, { signal }: Task): Promise<CheckResult[]> {
  const doubted = await doubtedClock(
    Object.values(targets).map(({ url }) => `${url}/`),
    signal,
  );
  return doubted ? [{ name: 'clock', state: 'missing', detail: `${doubted.why}. ${DOUBTED_CLOCK_HINT}` }] : [];
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

/** Options without which a night with rpm-ostree cannot be; all that are used have a way around. */
const RPM_OSTREE_OPTIONS = ['--repo', '--cachedir', '--dry-run', '--force-nocache', '--write-commitid-to'] as const;
/** Where it reads public keys from; it stops when the folder is not there. */
const RPM_KEYS = '/etc/pki/rpm-gpg';

/**
 * Checks every rpm-ostree that streams are composed with, each with those streams.
 * @param installed whether this machine has one, which is what `auto` takes then
 */
export async function checkRpmOstrees(
  { streams }: Pick<Config, 'streams'>,
  installed: boolean,
): Promise<CheckResult[]> {
  const byCommand = new Map<string, { readonly command: readonly [string, ...string[]]; streams: StreamConfig[] }>();
  for (const stream of Object.values(streams)) {
    const command = rpmOstreeCommand(stream.engine, installed);
    if (command === undefined) continue;
    const key = JSON.stringify(command);
    byCommand.set(key, { command, streams: [...(byCommand.get(key)?.streams ?? []), stream] });
  }
  const checked = [...byCommand.values()].map((one) => checkRpmOstree(one.command, one.streams));
  return (await Promise.all(checked)).flat();
}

/** Returns what an engine runs as rpm-ostree; undefined when it runs none. */
export function rpmOstreeCommand(engine: EngineConfig, installed: boolean): readonly [string, ...string[]] | undefined {
  switch (engine.type) {
    case 'rpm-ostree':
      return engine.command;
    case 'auto':
      return installed ? ['rpm-ostree'] : undefined;
    case 'dnf':
    case 'checkout':
    case 'command':
      return undefined;
  }
}

/**
 * Returns an rpm-ostree, natively or in its container: whether it does what these streams ask of it.
 */
export async function checkRpmOstree(
  command: readonly [string, ...string[]],
  streams: readonly StreamConfig[],
): Promise<CheckResult[]> {
  const name = command.join(' ');
  const native = command.length === 1;
  try {
    const rpmOstree = await probeRpmOstree(command);
    const lacking = RPM_OSTREE_OPTIONS.filter((option) => !rpmOstree.options.has(option));
    const program: CheckResult =
      lacking.length === 0
        ? { name, state: 'ok', detail: rpmOstree.version }
        : { name, state: 'missing', detail: `${rpmOstree.version} has no ${lacking.join(', ')}; use a newer one` };
    return [
      program,
      // A container has a folder of its own.
      ...(native ? [await checkKeyFolder()] : []),
      ...(await Promise.all(streams.map((stream) => checkStream(stream, rpmOstree)))),
    ];
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    const detail = error.code === 'tool-missing' ? 'not installed' : error.message;
    return [
      {
        name,
        state: 'missing',
        detail: native
          ? `${detail}; it is not in Debian: name a container in engine.command, or set "engine: dnf"`
          : detail,
        ...(native ? { install: { debian: '', fedora: 'rpm-ostree' } } : {}),
      },
    ];
  }
}

/** What the engines checkout and command are configured with must be there: the programs, and the folder before a build. */
export async function checkFolderEngines({ streams }: Pick<Config, 'streams'>): Promise<CheckResult[]> {
  const checks: CheckResult[] = [];
  for (const { name: stream, engine, release } of Object.values(streams)) {
    if (release) continue;
    if (engine.type === 'checkout') {
      const isThere = await access(engine.path).then(
        () => true,
        () => false,
      );
      const name = `folder of ${stream}`;
      const missing = `${engine.path} is not there yet; fill it before a nightly build`;
      checks.push({ name, state: isThere ? 'ok' : 'note', detail: isThere ? engine.path : missing });
    }
    if (engine.type !== 'command') continue;
    const asks = 'command' in engine.inputs ? [engine.inputs.command[0]] : [];
    for (const program of new Set([engine.command[0], ...asks])) {
      const found = await findProgram(program.includes('/') ? resolve(engine.workingFolder, program) : program);
      const missing = `there is no program ${program}${program.includes('/') ? ` in ${engine.workingFolder}` : ''}`;
      checks.push({ name: `command of ${stream}`, state: found ? 'ok' : 'missing', detail: found ?? missing });
    }
  }
  return checks;
}

async function checkKeyFolder(): Promise<CheckResult> {
  const name = `keys in ${RPM_KEYS}`;
  try {
    const keys = await readdir(RPM_KEYS);
    if (keys.length > 0) return { name, state: 'ok', detail: keys.length === 1 ? '1 file' : `${keys.length} files` };
    const detail = 'none; packages of file:// repositories with gpgcheck are refused, whatever their gpgkey says';
    return { name, state: 'note', detail };
  } catch (error) {
    const why = isErrno(error, 'ENOENT') ? 'there is no such folder' : String(error);
    return { name, state: 'missing', detail: `${why}, and rpm-ostree stops without it; run: mkdir -p ${RPM_KEYS}` };
  }
}

/** Whether this release can build the stream's treefile. */
async function checkStream({ name: stream, treefile, arch }: StreamConfig, rpmOstree: RpmOstree): Promise<CheckResult> {
  const name = `treefile of ${stream}`;
  try {
    checkKeys(await readTreefile(treefile, { basearch: arch }), rpmOstree);
    return { name, state: 'ok', detail: treefile };
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    return { name, state: 'missing', detail: `${error.message}${error.hint === undefined ? '' : `\n${error.hint}`}` };
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
