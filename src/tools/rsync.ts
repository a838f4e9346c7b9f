import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { NightlyError } from '../errors.ts';
import { run } from './exec.ts';
import type { Task } from './task.ts';

/** How to reach the far side of an rsync. */
export interface RsyncRemote {
  /** `user@host:/path` (ssh) or `rsync://host/module/path` (daemon), without a trailing slash. */
  readonly destination: string;
  readonly identityFile?: string;
  readonly knownHostsFile?: string;
  readonly port?: number;
  /** For a daemon module that asks for one: a file with the password alone. */
  readonly passwordFile?: string;
  /** As `--bwlimit` takes it. */
  readonly bandwidthLimit?: string;
}

/** Seconds without any data until the far side counts as gone. */
const TIMEOUT = 120;

/** When a file that is there already is left alone: with the same size, with the same content, never. */
export type RsyncCompare = 'size' | 'content' | 'always';

const COMPARE: Readonly<Record<RsyncCompare, string>> = {
  size: '--size-only',
  content: '--checksum',
  always: '--ignore-times',
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
      '--files-from=-',
      // Without times: what is new there is newer than what a web cache has seen.
      '--perms',
      '--chmod=D755,F644',
      COMPARE[compare],
      '--out-format=%l %n',
      `${sourceRoot}/`,
      `${remote.destination}/`,
    ],
    task,
    `${paths.join('\n')}\n`,
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
  const args = ['--files-from=-', '--times', '--ignore-missing-args', `${remote.destination}/`, `${into}/`];
  await rsync(remote, args, task, `${paths.join('\n')}\n`);
}

/** Files below a folder of the far side, relative to it, with their sizes in bytes; none when it is not there. */
export async function rsyncList(
  remote: RsyncRemote,
  folder: string,
  task: Task,
): Promise<{ path: string; bytes: number }[]> {
  const files: { path: string; bytes: number }[] = [];
  // A folder named as an argument that is not there is a fault; one on a list can be ignored. The "." is never written to.
  const options = ['--recursive', '--list-only', '--no-human-readable', '--files-from=-', '--ignore-missing-args'];
  await rsync(remote, [...options, `${remote.destination}/`, '.'], task, `${folder}\n`, (line) => {
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
    const args = ['--files-from=-', '--delete-missing-args', '--existing', `${nowhere}/`, `${remote.destination}/`];
    await rsync(remote, args, task, `${paths.join('\n')}\n`);
  } finally {
    await rm(nowhere, { recursive: true });
  }
}

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
    throw error instanceof NightlyError ? classify(error, remote) : error;
  }
}

/** Never asks, never learns a host key by itself. rsync splits this at blanks outside quotes. */
function sshCommand({ identityFile, knownHostsFile, port }: RsyncRemote): string {
  // A shared connection of the user's own ssh would live on in the background, with our output open.
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=yes', 'ConnectTimeout=20', 'ServerAliveInterval=15'];
  options.push('ControlMaster=no', 'ControlPath=none', 'ClearAllForwardings=yes');
  if (knownHostsFile !== undefined)
    options.push(`UserKnownHostsFile="${knownHostsFile}"`, 'GlobalKnownHostsFile=/dev/null');
  if (identityFile !== undefined) options.push('IdentitiesOnly=yes');
  return [
    'ssh',
    ...options.flatMap((option) => ['-o', `'${option}'`]),
    ...(identityFile === undefined ? [] : ['-i', `'${identityFile}'`]),
    ...(port === undefined ? [] : ['-p', String(port)]),
  ].join(' ');
}

interface Fault {
  readonly pattern: RegExp;
  readonly code: 'target-unreachable' | 'target-permission' | 'target-host-key' | 'locked';
  readonly hint: string;
}

/** What ssh and rsync say, from the most telling to the least; the first match wins. */
const FAULTS: readonly Fault[] = [
  {
    pattern: /Another instance of rrsync is already accessing/,
    code: 'locked',
    hint: 'Run "atomic-nightly resume" in a minute. An account with "rrsync -no-lock" lets several transfers run at once.',
  },
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|No .* host key is known/,
    code: 'target-host-key',
    hint: 'Ask the operator of that host for its key fingerprint, and only if it is right correct the known-hosts-file (ssh-keygen -R removes the old key, ssh-keyscan shows the new one).',
  },
  {
    pattern:
      /Permission denied|auth failed on module|module is read only|Read-only file system|Operation not permitted|password file must/,
    code: 'target-permission',
    hint: 'Check the account, its key or password-file, and that it may write to that path.',
  },
  {
    pattern: /change_dir.*No such file|mkdir .* failed: No such file|open failed .*No such file|chdir failed/,
    code: 'target-unreachable',
    hint: 'Make that folder on the far side, or correct the destination.',
  },
  {
    pattern:
      /Connection (refused|reset|timed out|closed)|No route to host|Could not resolve|Unknown module|failed to connect|Network is unreachable|timeout in data|connection unexpectedly closed/i,
    code: 'target-unreachable',
    hint: 'Check the host, port and module, and that the server runs; then run "atomic-nightly resume".',
  },
];

function classify(error: NightlyError, { destination }: RsyncRemote): NightlyError {
  if (error.code === 'disk-full') {
    const line = error.message.split('\n').find((text) => /No space left|quota exceeded/i.test(text)) ?? '';
    return new NightlyError('disk-full', `Cannot publish to ${destination}: ${line}`, {
      hint: 'Free some space there, then run "atomic-nightly resume".',
      cause: error,
      ...(error.log === undefined ? {} : { log: error.log }),
    });
  }
  if (error.code !== 'tool-failed') return error;
  const fault = FAULTS.find(({ pattern }) => pattern.test(error.message));
  if (!fault) return error;
  const lines = error.message
    .split('\n')
    .slice(1)
    .filter((line) => line.trim() !== '' && !/^@+$/.test(line.trim()));
  const why = lines.find((line) => fault.pattern.test(line)) ?? lines[0] ?? '';
  return new NightlyError(fault.code, `Cannot publish to ${destination}: ${why}`, {
    hint: fault.hint,
    cause: error,
    ...(error.log === undefined ? {} : { log: error.log }),
  });
}
