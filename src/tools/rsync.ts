import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { NightlyError } from '../errors.ts';
import { run } from './exec.ts';
import { remoteFault } from './remote-fault.ts';
import { type SshAccess, sshArguments } from './ssh.ts';
import type { Task } from './task.ts';

/** How to reach the far side of an rsync. */
export interface RsyncRemote extends SshAccess {
  /** `user@host:/path` (ssh) or `rsync://host/module/path` (daemon), without a trailing slash. */
  readonly destination: string;
  /** Socket of an open ssh connection to go through. */
  readonly controlPath?: string;
  /** For a daemon module that asks for one: a file with the password alone. */
  readonly passwordFile?: string;
  /** As `--bwlimit` takes it. */
  readonly bandwidthLimit?: string;
}

/** Seconds without any data until the far side counts as gone. */
const TIMEOUT = 120;

/**
 * When a file that is there already is left alone: with the same size, with the same content, when it is newer, never. With
 * `together` never either, and no file appears before all have arrived; only one such transfer at a time may write a file.
 * Files get the time they are written at; `with its time` that of the source, and none is left alone.
 */
export type RsyncCompare = 'size' | 'content' | 'not newer' | 'always' | 'together' | 'with its time';

const COMPARE: Readonly<Record<RsyncCompare, readonly string[]>> = {
  size: ['--size-only'],
  content: ['--checksum'],
  'not newer': ['--ignore-times', '--update'],
  always: ['--ignore-times'],
  together: ['--ignore-times', '--delay-updates'],
  'with its time': ['--ignore-times', '--times'],
};

/**
 * Sends files that keep their path relative to `sourceRoot`, all in one stream. rsync writes each aside and renames
 * it.
 * @throws NightlyError `target-unreachable`, `target-permission`, `target-host-key`, `disk-full`, `tool-failed`.
 */
export async function rsyncSend(
  remote: RsyncRemote,
  sourceRoot: string,
  paths: readonly string[],
  compare: RsyncCompare,
  task: Task,
): Promise<{ files: number; bytes: number }> {
  let [files, bytes] = [0, 0];
  await rsync(
    remote,
    [
      '--from0',
      '--files-from=-',
      // Without times: what is new there is newer than what a web cache has seen.
      '--perms',
      '--chmod=D755,F644',
      ...COMPARE[compare],
      '--out-format=%l %n',
      `${sourceRoot}/`,
      `${remote.destination}/`,
    ],
    task,
    listOf(paths),
    (line) => {
      const match = /^(\d+) (.*[^/])$/.exec(line);
      if (!match) return;
      files += 1;
      bytes += Number(match[1]);
      if (files % 200 === 0) task.progress(files, paths.length, 'objects');
    },
  );
  return { files, bytes };
}

/** Fetches files into a folder, keeping their relative paths; those that are not there are left out. */
export async function rsyncFetch(
  remote: RsyncRemote,
  paths: readonly string[],
  into: string,
  task: Task,
): Promise<void> {
  // The far side ignores missing files, so that a fetch costs one round trip whether or not they exist.
  const args = ['--from0', '--files-from=-', '--times', '--ignore-missing-args', `${remote.destination}/`, `${into}/`];
  await rsync(remote, args, task, listOf(paths));
}

/** Files below a folder of the far side, relative to it, with their sizes in bytes; none when it is not there. */
export async function rsyncList(
  remote: RsyncRemote,
  folder: string,
  task: Task,
): Promise<{ path: string; bytes: number }[]> {
  const files: { path: string; bytes: number }[] = [];
  // A folder named as an argument that is not there is a fault; one on a list can be ignored. The "." is never written to.
  const options = [
    '--recursive',
    '--list-only',
    '--no-human-readable',
    '--from0',
    '--files-from=-',
    '--ignore-missing-args',
  ];
  await rsync(remote, [...options, `${remote.destination}/`, '.'], task, listOf([folder]), (line) => {
    // -rw-r--r--          1,234 2026/11/21 10:00:00 objects/ab/cd.filez
    const match = /^-\S+\s+([\d,]+) \S+ \S+ (.+)$/.exec(line);
    if (!match?.[1] || !match[2]?.startsWith(`${folder}/`)) return;
    files.push({ path: match[2].slice(folder.length + 1), bytes: Number(match[1].replaceAll(',', '')) });
  });
  return files;
}

/** Removes files of the far side, by naming ones that are not here. */
export async function rsyncRemove(remote: RsyncRemote, paths: readonly string[], task: Task): Promise<void> {
  const nowhere = await mkdtemp(join(tmpdir(), 'atomic-nightly-'));
  try {
    // The folders must be here, or rsync takes them for missing as well; those that are not there need not be made.
    for (const folder of new Set(paths.map(dirname))) await mkdir(join(nowhere, folder), { recursive: true });
    const args = [
      '--from0',
      '--files-from=-',
      '--delete-missing-args',
      '--existing',
      `${nowhere}/`,
      `${remote.destination}/`,
    ];
    await rsync(remote, args, task, listOf(paths));
  } finally {
    await rm(nowhere, { recursive: true });
  }
}

/** NUL-separated: in a list of lines, names that begin with "#" or ";" would be comments. */
const listOf = (paths: readonly string[]): string => paths.map((path) => `${path}\0`).join('');

async function rsync(
  remote: RsyncRemote,
  args: readonly string[],
  task: Task,
  input: string,
  onLine?: (line: string) => void,
): Promise<void> {
  const { passwordFile, bandwidthLimit } = remote;
  const common = [
    `--timeout=${TIMEOUT}`,
    ...(remote.destination.startsWith('rsync://') ? [] : ['-e', sshCommand(remote)]),
    ...(passwordFile === undefined ? [] : [`--password-file=${passwordFile}`]),
    ...(bandwidthLimit === undefined ? [] : [`--bwlimit=${bandwidthLimit}`]),
  ];
  try {
    await run('rsync', [...common, ...args], { task, input, ...(onLine ? { onLine } : {}) });
  } catch (error) {
    throw error instanceof NightlyError ? remoteFault(error, remote.destination) : error;
  }
}

/** rsync splits this at blanks outside quotes. */
function sshCommand(remote: RsyncRemote): string {
  return [
    'ssh',
    ...sshArguments(remote, remote.controlPath).map((word) => (/^[\w./=-]+$/.test(word) ? word : `'${word}'`)),
  ].join(' ');
}
