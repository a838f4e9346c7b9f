import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { linksBelow, makeFolder, withTemporaryFolder } from '../base/files.ts';
import { rsyncShellWord } from '../base/quoting.ts';
import { MOST_READ_BYTES } from '../base/read-limit.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';
import { remoteFault } from './remote-fault.ts';
import { type ListedEntry, notUnderstood, parseListLine, unescaped } from './rsync-listing.ts';
import { type SshAccess, sshArguments } from './ssh.ts';

/** How to reach the far side of an rsync. */
export interface RsyncRemote extends SshAccess {
  /** `user@host:/path` (ssh) or `rsync://host/module/path` (daemon), without a trailing slash. */
  readonly destination: string;
  /** Socket of an open ssh connection to go through. */
  readonly controlPath?: string;
  /** File with nothing but the password, if the daemon's module asks for one. */
  readonly passwordFile?: string | undefined;
  /** Limit in the form that `--bwlimit` takes. */
  readonly bandwidthLimit?: string | undefined;
}

/** Seconds without any data until the far side counts as gone. */
const TIMEOUT = 120;

/**
 * When a file that is there already is left alone: always, with the same size, with the same content, when it is newer, never. With
 * `together` never either, and no file appears before all have arrived; only one such transfer at a time may write a file.
 * Files get the time they are written at; `with its time` that of the source, and none is left alone.
 */
export type RsyncCompare = 'any' | 'size' | 'content' | 'not newer' | 'always' | 'together' | 'with its time';

const COMPARE: Readonly<Record<RsyncCompare, readonly string[]>> = {
  any: ['--ignore-existing'],
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

/**
 * Compares files with those of the far side under the same relative paths, by their content; nothing is sent.
 * @returns those that are not the same; `absent` also where the far side has an empty file
 */
export async function rsyncCompare(
  remote: RsyncRemote,
  sourceRoot: string,
  paths: readonly string[],
  task: Task,
): Promise<Map<string, 'absent' | 'different'>> {
  const other = new Map<string, 'absent' | 'different'>();
  const args = ['--dry-run', '--checksum', '--8-bit-output', '--out-format=%i %n', '--from0', '--files-from=-'];
  let strange: string | undefined;
  await rsync(remote, [...args, `${sourceRoot}/`, `${remote.destination}/`], task, listOf(paths), (line, stream) => {
    if (stream === 'stderr') return;
    // What is to be done, as -i prints it: a letter for it, one for the type, and nine for what is not the same.
    const [, type, changes, name = ''] = /^[<>ch.]([fdLDS])(.{9}) (.+)$/s.exec(line) ?? [];
    if (type === undefined) strange ??= line;
    if (type === 'f') other.set(unescaped(name), changes === '+++++++++' ? 'absent' : 'different');
  });
  if (strange !== undefined) throw notUnderstood(strange);
  const different = [...other].flatMap(([path, how]) => (how === 'different' ? [path] : []));
  if (different.length === 0) return other;
  for (const { type, path, bytes } of await listEntries(remote, different, [TRUST], task)) {
    if (type === '-' && bytes === 0) other.set(path, 'absent');
  }
  return other;
}

/** What a fetch left out, though it is there. */
export interface LeftOut {
  /** Neither a file nor a folder. */
  readonly strange: ReadonlySet<string>;
  /** Larger than what is read. */
  readonly large: ReadonlySet<string>;
}

/**
 * Fetches files into a folder, keeping their relative paths; those that are not there are left out.
 * @returns what else was left out
 */
export async function rsyncFetch(
  remote: RsyncRemote,
  paths: readonly string[],
  into: string,
  task: Task,
): Promise<LeftOut> {
  return fetch(remote, paths, into, [], task);
}

/** What rsync puts in front of what a link leads to, so that it leads nowhere (`--munge-links`). */
const MUNGED = '/rsyncd-munged/';

/**
 * As `rsyncFetch`, and with the files all that is below a small folder, whose symbolic links come as links: more than one
 * transfer at a time an account that is restricted to rrsync refuses, and a link is seen by no other.
 * @returns what each of those links leads to, by its path, and what else was left out
 */
export async function rsyncFetchWithLinks(
  remote: RsyncRemote,
  { paths, folder }: { readonly paths: readonly string[]; readonly folder: string },
  into: string,
  task: Task,
): Promise<LeftOut & { links: Map<string, string> }> {
  // A file named by itself would have its folders come as such, though they are links.
  const others = paths.filter((path) => !path.startsWith(`${folder}/`));
  const leftOut = await fetch(remote, [...others, folder], into, ['--recursive', '--links', '--munge-links'], task);
  const links = [...(await linksBelow(into, folder))].map(([path, to]) => [path, to.replace(MUNGED, '')] as const);
  return { ...leftOut, links: new Map(links) };
}

async function fetch(
  remote: RsyncRemote,
  paths: readonly string[],
  into: string,
  options: readonly string[],
  task: Task,
): Promise<LeftOut> {
  const [strange, large] = [new Set<string>(), new Set<string>()];
  // The far side ignores missing files, so that a fetch costs one round trip whether or not they exist.
  const args = [...options, '--8-bit-output', '--from0', '--files-from=-', '--times', '--ignore-missing-args'];
  const limit = ['--info=skip1', `--max-size=${MOST_READ_BYTES}`];
  await rsync(remote, [...args, ...limit, `${remote.destination}/`, `${into}/`], task, listOf(paths), (line) => {
    const [, other, tooLarge] = /^(?:skipping non-regular file "(.*)"|(.*) is over max-size)$/s.exec(line) ?? [];
    if (other !== undefined) strange.add(unescaped(other));
    if (tooLarge !== undefined) large.add(unescaped(tooLarge));
  });
  return { strange, large };
}

/** Files below a folder of the far side with their sizes in bytes, by paths as the folder's; none when it is not there. */
export async function rsyncList(
  remote: RsyncRemote,
  folder: string,
  task: Task,
): Promise<{ path: string; bytes: number }[]> {
  const entries = await listEntries(remote, [folder], ['--recursive'], task);
  return entries.filter(({ type, path }) => type === '-' && path !== folder);
}

/** Returns what the far side has of some paths, which may be missing there. */
async function listEntries(
  remote: RsyncRemote,
  paths: readonly string[],
  options: readonly string[],
  task: Task,
): Promise<ListedEntry[]> {
  const entries: ListedEntry[] = [];
  // A folder named as an argument that is not there is a fault; one on a list can be ignored. The "." is never written to.
  const args = ['--list-only', '--no-human-readable', '--8-bit-output', '--from0', '--files-from=-'];
  const all = [...options, ...args, '--ignore-missing-args', `${remote.destination}/`, '.'];
  let fault: unknown;
  await rsync(remote, all, task, listOf(paths), (line, stream) => {
    if (stream === 'stderr' || fault !== undefined) return;
    try {
      entries.push(parseListLine(line));
    } catch (error) {
      fault = error;
    }
  });
  if (fault !== undefined) throw fault;
  return entries;
}

/**
 * Removes files and links of the far side, exactly those that are named: one that is not there is no fault, and what is a
 * folder there stays. They are fetched with `--remove-source-files`, onto files here of the same size (holes, which take
 * no space), so that rsync finds nothing to transfer and has the far side remove its own. Unlike `--delete` this knows no
 * patterns, looks into no folder, and costs what is removed; unlike `--delete-missing-args` every rsync takes it: 3.2.7
 * with the security fixes of May 2026 does not, as the far side. A module or account that refuses deletions refuses it.
 */
export async function rsyncRemove(remote: RsyncRemote, paths: readonly string[], task: Task): Promise<void> {
  const there = await listEntries(remote, paths, [TRUST], task);
  const named = new Set(paths);
  await withTemporaryFolder(async (folder) => {
    for (const { type, path, bytes } of there) {
      if (type !== '-' || !named.has(path)) continue;
      await makeFolder(join(folder, dirname(path)));
      const file = await open(join(folder, path), 'w');
      await file.truncate(bytes).finally(() => file.close());
    }
    await removeFetched(remote, paths, folder, task);
  });
}

/**
 * Whether the far side lets files be removed, found out by removing one that is not there.
 * @throws NightlyError as `rsyncRemove`.
 */
export async function rsyncTryRemove(remote: RsyncRemote, missing: string, task: Task): Promise<void> {
  await withTemporaryFolder((folder) => removeFetched(remote, [missing], folder, task));
}

async function removeFetched(remote: RsyncRemote, paths: readonly string[], into: string, task: Task): Promise<void> {
  // Links are munged: what the far side has them lead to is nothing that should work here.
  const links = ['--links', '--munge-links'];
  const options = ['--from0', '--files-from=-', '--size-only', ...links, '--remove-source-files'];
  const args = [...options, TRUST, '--ignore-missing-args', `${remote.destination}/`, `${into}/`];
  await rsync(remote, args, task, listOf(paths));
}

/**
 * rsync compares what comes with what was asked for, by patterns that it makes of the names: names with backslashes and
 * wildcards it gets wrong ("rejecting unrequested file-list name"), and 4,000 names take it 10 s instead of one. What is
 * listed is compared here instead; what would come unasked is in a temporary folder. Since 3.2.5.
 */
const TRUST = '--trust-sender';

/** NUL-separated: in a list of lines, names that begin with "#" or ";" would be comments. */
const listOf = (paths: readonly string[]): string => paths.map((path) => `${path}\0`).join('');

async function rsync(
  remote: RsyncRemote,
  args: readonly string[],
  task: Task,
  input: string,
  onLine?: (line: string, stream: 'stdout' | 'stderr') => void,
): Promise<void> {
  const { passwordFile, bandwidthLimit } = remote;
  const common = [
    `--timeout=${TIMEOUT}`,
    // A daemon's greeting would stand among what is listed.
    '--no-motd',
    ...(remote.destination.startsWith('rsync://') ? [] : ['-e', sshCommand(remote)]),
    ...(passwordFile === undefined ? [] : [`--password-file=${passwordFile}`]),
    ...(bandwidthLimit === undefined ? [] : [`--bwlimit=${bandwidthLimit}`]),
  ];
  try {
    await run('rsync', [...common, ...args], { task, input, onLine });
  } catch (error) {
    throw error instanceof NightlyError ? remoteFault(error, remote.destination) : error;
  }
}

/** rsync splits this at blanks outside quotes. */
function sshCommand(remote: RsyncRemote): string {
  return ['ssh', ...sshArguments(remote, remote.controlPath).map(rsyncShellWord)].join(' ');
}
