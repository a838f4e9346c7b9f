import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { makeFolder } from '../base/files.ts';
import { oneLine } from '../base/one-line.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/** A .deb that apt would install. */
export interface DebDownload {
  readonly name: string;
  /** Debian version with its epoch. */
  readonly version: string;
  readonly url: string;
  /** Name in apt's archive folder: `name_version_arch.deb`, the epoch's colon written as `%3a`. */
  readonly file: string;
  /** Size in bytes. */
  readonly size: number;
  /** apt's hash of the file, `MD5Sum:…` or `SHA256:…`. */
  readonly hash: string;
}

export interface AptRequest {
  readonly packages: readonly string[];
  /**
   * Names apt takes to be installed already, whatever version is asked for: neither they nor what they need is fetched.
   */
  readonly assumeInstalled: readonly string[];
  /** Private folder for apt's status file. */
  readonly stateDir: string;
  /** Writes the status file. */
  readonly writeStatus: (path: string, content: string) => Promise<void>;
}

/**
 * Which .debs a host with only `assumeInstalled` on it would download to get `packages`, by this machine's package
 * lists; nothing is downloaded or installed.
 * @throws NightlyError `package-missing`, `depsolve`, `tool-missing`, `tool-failed`.
 */
export async function resolveDebs(request: AptRequest, task: Task): Promise<readonly DebDownload[]> {
  // An archive folder of its own, always empty: files already fetched are left out of the list.
  const archives = join(request.stateDir, 'no-archives');
  const options = await aptOptions(request, archives);
  const { stdout } = await aptGet([...options, '--print-uris', 'install', ...request.packages], task);
  return parseUris(stdout);
}

/**
 * Downloads what `resolveDebs` lists into `archives`, checked against the signed package lists. Files that are there
 * already stay; an interrupted download continues where it ended.
 * @param onBytes called with the bytes of finished files.
 */
export async function downloadDebs(
  request: AptRequest,
  archives: string,
  onProgress: (percent: number) => void,
  task: Task,
): Promise<void> {
  const options = await aptOptions(request, archives);
  await aptGet(
    [...options, '--download-only', '-o', 'APT::Status-Fd=1', 'install', ...request.packages],
    task,
    (line) => {
      // dlstatus:<item>:<percent of all>:<text>
      const percent = /^dlstatus:[^:]*:([\d.]+):/.exec(line)?.[1];
      if (percent !== undefined) onProgress(Number(percent));
    },
  );
}

async function aptOptions(request: AptRequest, archives: string): Promise<readonly string[]> {
  const status = join(request.stateDir, 'status');
  await makeFolder(join(archives, 'partial'));
  await request.writeStatus(status, request.assumeInstalled.map(statusStanza).join('\n'));
  const settings = {
    'Dir::State::status': status,
    'Dir::Cache::archives': archives,
    'APT::Install-Recommends': 'false',
    // Without this apt adds every package marked Essential.
    'pkgCacheGen::Essential': 'none',
    // Nothing is installed, so the host's package manager may be busy meanwhile.
    'Debug::NoLocking': 'true',
    // The private folders need not be readable for the user _apt.
    'APT::Sandbox::User': 'root',
    // Two package lists with different status files would overwrite each other's cache.
    'Dir::Cache::pkgcache': '',
  };
  return ['-y', '-q', ...Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`])];
}

const statusStanza = (name: string): string =>
  [
    `Package: ${name}`,
    'Status: install ok installed',
    'Priority: optional',
    'Maintainer: nobody <nobody@localhost>',
    'Architecture: amd64',
    'Multi-Arch: allowed',
    'Version: 9999:0',
    'Description: assumed to be there',
    '',
  ].join('\n');

async function aptGet(
  args: readonly string[],
  task: Task,
  onLine?: (line: string) => void,
): Promise<{ stdout: string }> {
  try {
    return await run('apt-get', args, { task, onLine });
  } catch (error) {
    if (!(error instanceof NightlyError) || error.code !== 'tool-failed') throw error;
    const missing = [...error.message.matchAll(/Unable to locate package (\S+)/g)].map((match) => match[1]);
    if (missing.length > 0) {
      throw new NightlyError('package-missing', `Debian's package lists have no ${missing.join(', ')}.`, {
        hint: 'Run "apt-get update"; on a fresh machine the lists are empty.',
        cause: error,
        log: task.logFile,
      });
    }
    if (/unmet dependencies/.test(error.message)) {
      throw new NightlyError('depsolve', `apt found no set of packages that fits together.\n${error.message}`, {
        hint: 'The lines above name the packages; run "apt-get update" if the lists are old.',
        cause: error,
        log: task.logFile,
      });
    }
    throw error;
  }
}

/** `'URL' name_version_arch.deb SIZE HASH`, the name as apt has it in its archive folder. */
const URI_LINE = /^'(\S+)' ([a-z0-9][a-z0-9+.-]*)_([A-Za-z0-9.+~%-]+)_([a-z0-9-]+)\.deb (\d{1,15}) (\S*)$/;

/**
 * Returns the packages that `apt-get --print-uris` lists.
 * @throws NightlyError `tool-failed` for a line of another form: half a list would be taken for the whole.
 */
export function parseUris(printed: string): DebDownload[] {
  const lines = printed.split('\n').filter((line) => line.startsWith("'"));
  return lines.map((line) => {
    const [, url, name, escaped, arch, size, hash] = URI_LINE.exec(line) ?? [];
    // Whatever is no version is escaped, as the colon of an epoch: `%3a`.
    const version = escaped?.replaceAll(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
    if (!url || !name || !version || !/^[A-Za-z0-9.+~:-]+$/.test(version) || hash === undefined) {
      throw new NightlyError('tool-failed', `apt-get lists a package in words that are not known: ${oneLine(line)}`);
    }
    return { name, version, url, file: `${name}_${escaped}_${arch}.deb`, size: Number(size), hash };
  });
}

/** Names in the package lists that start with a prefix. */
export async function packageNames(prefix: string, task: Task): Promise<readonly string[]> {
  const { stdout } = await run('apt-cache', ['pkgnames', prefix], { task });
  return stdout.split('\n').filter((name) => name !== '');
}
