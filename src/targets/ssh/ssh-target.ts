import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { sha256, sha256File } from '../../base/files.ts';
import { MOST_READ_BYTES } from '../../base/read-limit.ts';
import type { Task } from '../../base/task.ts';
import type { SshTargetConfig } from '../../config/config.ts';
import { MORE_THAN_READ, movedError, noFileError } from '../expect.ts';
import { signedPairs } from '../signed-pairs.ts';
import type { Compared, Links, PlainTarget, SendGroup, SendStats, SmallFile, SwapRequest } from '../target.ts';
import { archiveBytes, batches, type SizedFile, sized, streamArchive } from './far-archive.ts';
import type { FarShell } from './far-shell.ts';
import { type ShellPool, shellPool } from './ssh-pool.ts';

/**
 * From this size on the far side is asked first what it has. Below it, sending again what a killed attempt sent already
 * takes hardly longer than asking, which would cost each undisturbed publish a round trip.
 */
const ASK_BYTES = 16 << 20;

/**
 * Returns a folder on another host, reached over ssh with a shell: files go as tar archives, all in one stream. far.sh
 * is what runs there, and says how files get their names and what a broken connection leaves.
 */
export function sshTarget({ name, destination, ssh, url }: SshTargetConfig): PlainTarget {
  const pool = shellPool({ destination, ...ssh });
  const noFile = (path: string, what: string): NightlyError =>
    noFileError({ target: name, what, place: `${destination}/${path}` });
  const readMany = async (paths: readonly string[], task: Task) =>
    contentsIn(await pool.use(task, (shell) => ask(shell, readBody(paths))), paths, noFile);
  return {
    name,
    publicUrl: url,
    describe: () => `ssh ${destination}`,
    async check(task) {
      const lacking = await pool.use(task, (shell) => ask(shell, 'check\n'));
      if (lacking.length > 0) throw lacksError(destination, lacking);
    },
    read: async (path, task) => (await readMany([path], task))[0],
    readMany,
    async readWithLinks(paths, folder, task) {
      const { lines, links } = await pool.use(task, async (shell) => {
        // Both requests at once, and both answers in one round trip.
        shell.write(`${readBody(paths)}links\n${onOneLine(folder)}\n`);
        return { lines: await answerOf(shell), links: await answerOf(shell) };
      });
      return { contents: contentsIn(lines, paths, noFile), links: linksIn(links, folder) };
    },
    send: (sourceRoot, paths, { immutable, fresh }, task) =>
      sendGroups(pool, sourceRoot, [{ paths, immutable, fresh }], task),
    sendInOrder: (sourceRoot, groups, task) => sendGroups(pool, sourceRoot, groups, task),
    async compare(sourceRoot, paths, task) {
      if (paths.length === 0) return [];
      const digests = await pool.use(task, (shell) => ask(shell, list('digest', paths)));
      if (digests.length !== paths.length)
        throw new Error(`the far side digested ${digests.length} of ${paths.length} files`);
      return compareDigests(sourceRoot, paths, digests);
    },
    async swap(request, task) {
      const verdict = await pool.use(task, (shell) => swapThere(shell, request));
      if (verdict === undefined) return;
      if (verdict !== 'locked') throw movedError(name, verdict.slice('moved '.length));
      throw new NightlyError('locked', `Another publisher is changing target "${name}" (${destination}) right now.`, {
        hint: 'Run "atomic-nightly resume" in a minute.',
      });
    },
    async *list(folder, task) {
      for await (const line of pool.lines(task, `list\n${onOneLine(folder)}\n`)) {
        const { path, bytes } = sizeAndPath(line);
        yield { path: `${folder}/${path}`, bytes };
      }
    },
    async remove(paths, task) {
      if (paths.length > 0) await pool.use(task, (shell) => ask(shell, list('remove', paths)));
    },
  };
}

/** Sends groups of files over one connection, all of a group in place before the next one begins. */
async function sendGroups(
  pool: ShellPool,
  sourceRoot: string,
  groups: readonly Group[],
  task: Task,
): Promise<SendStats> {
  const paths = groups.flatMap((group) => group.paths);
  if (paths.length === 0) return NOTHING;
  const folders = paths.filter(isFolder);
  const all = await Promise.all(
    groups.map(async ({ paths: some, immutable, fresh = false }) => {
      const files = some.filter((path) => !isFolder(path));
      return { files: await sized(sourceRoot, files), immutable, fresh };
    }),
  );
  return pool.use(task, async (shell) => {
    if (folders.length > 0) await ask(shell, list('mkdir', folders));
    const parts: Part[] = [];
    for (const { files, immutable, fresh } of all) {
      const due = immutable && !fresh && sum(files).bytes >= ASK_BYTES ? await missing(shell, files) : files;
      const how = fresh ? 'new' : immutable ? 'once' : 'again';
      parts.push(...batches(due).map((batch) => ({ files: batch, how })));
    }
    return parts.length === 0 ? NOTHING : sendAll(shell, sourceRoot, parts, task);
  });
}

const NOTHING: SendStats = { files: 0, bytes: 0 };

/** @param digests of the far side's files, in the order of the paths; `-` for one that is not there */
async function compareDigests(
  sourceRoot: string,
  paths: readonly string[],
  digests: readonly string[],
): Promise<Compared[]> {
  const compared: Compared[] = [];
  for (const [index, path] of paths.entries()) {
    const far = digests[index] ?? '-';
    const near = far === '-' ? undefined : await sha256File(join(sourceRoot, path));
    compared.push(
      near === undefined || (far === EMPTY && near !== EMPTY) ? 'absent' : far === near ? 'same' : 'different',
    );
  }
  return compared;
}

/** Has the far side compare and swap. @returns its verdict: undefined when all is in place */
async function swapThere(shell: FarShell, request: SwapRequest): Promise<string | undefined> {
  const [answer] = await ask(shell, swapBody(request));
  if (answer !== 'held') return answer;
  // What it throws ends the shell, and so frees the lock.
  const sealed = (await request.seal?.()) ?? [];
  const [late] = await ask(shell, Buffer.concat([...putLines(sealed), Buffer.from('go\n')]));
  return late;
}

const readBody = (paths: readonly string[]): string =>
  [`read ${paths.length} ${MOST_READ_BYTES}`, ...paths.map(onOneLine), ''].join('\n');

/**
 * Reads what `read` of far.sh answers: a content for each path, undefined for a file that is not there.
 * @throws what `noFile` makes of a path where there is something else; NightlyError `unsupported` for an answer about fewer or more
 *   paths, since half of it would be taken for the whole.
 */
function contentsIn(
  lines: readonly string[],
  paths: readonly string[],
  noFile: (path: string, what: string) => NightlyError,
) {
  const contents: (Buffer | undefined)[] = [];
  let parts: Buffer[] = [];
  for (const line of lines) {
    if (line === 'unreadable') throw noFile(paths[contents.length] ?? '', 'no regular file');
    if (line === 'large') throw noFile(paths[contents.length] ?? '', MORE_THAN_READ);
    if (line === '-') contents.push(undefined);
    else if (line !== '.') parts.push(Buffer.from(line, 'base64'));
    else {
      contents.push(Buffer.concat(parts));
      parts = [];
    }
  }
  if (contents.length === paths.length && parts.length === 0) return contents;
  throw notUnderstood(`${contents.length} of ${paths.length} files`);
}

/** @throws NightlyError `unsupported`: a link that is not seen is written over. */
function linksIn(lines: readonly string[], folder: string): Links {
  return new Map(
    lines.map((line) => {
      const [, path, to] = /^([^\t]+)\t(.*)$/s.exec(line) ?? [];
      if (path === undefined || to === undefined) throw notUnderstood(line);
      return [`${folder}/${path}`, to];
    }),
  );
}

/** SHA-256 of no bytes. */
const EMPTY = sha256('');

/** Files that go in one archive. */
interface Part {
  readonly files: readonly SizedFile[];
  /** See `put` of far.sh. */
  readonly how: string;
}

interface Group extends SendGroup {
  readonly fresh?: boolean | undefined;
}

/**
 * All archives go out one behind another, while the answers are read. The far side puts one in place before it
 * begins with the next, and ends when it cannot.
 */
async function sendAll(shell: FarShell, root: string, parts: readonly Part[], task: Task): Promise<SendStats> {
  const all = sum(parts.flatMap(({ files }) => files));
  const there: number[] = [];
  const pour = async (): Promise<void> => {
    for (const { files, how } of parts) {
      shell.write(`put ${archiveBytes(files)} ${how}\n`);
      await streamArchive(shell, root, files, task);
      shell.write('go\n');
    }
    shell.write('flush\n');
  };
  const listen = async (): Promise<void> => {
    let done = 0;
    for (const { files } of parts) {
      there.push(...(await answerOf(shell)).map(Number));
      done += files.length;
      task.progress(done, all.files, 'objects');
    }
    await answerOf(shell);
  };
  await Promise.all([pour(), listen()]);
  return { files: all.files - there.length, bytes: all.bytes - there.reduce((total, bytes) => total + bytes, 0) };
}

/** Returns the files that the far side does not have, or has with another size. */
async function missing(shell: FarShell, files: readonly SizedFile[]): Promise<SizedFile[]> {
  const request = list(
    'have',
    files.map(({ path }) => path),
  );
  const there = new Map((await ask(shell, request)).map(sizeAndPath).map(({ path, bytes }) => [path, bytes]));
  return files.filter(({ path, bytes }) => there.get(path) !== bytes);
}

function swapBody({ expect, ahead = [], put, seal }: SwapRequest): Uint8Array {
  return Buffer.concat([
    Buffer.from('swap\n'),
    ...expect.flatMap(({ path, content }) => swapLine('e', path, content)),
    ...ahead.flatMap(({ path, content }) => swapLine('p', path, content)),
    ...putLines(put),
    Buffer.from(seal ? 'wait\n' : 'go\n'),
  ]);
}

function putLines(put: readonly SmallFile[]): Buffer[] {
  return signedPairs(put).flatMap((group) =>
    group.flatMap(({ path, content }, index) => swapLine(index < group.length - 1 ? 's' : 'p', path, content)),
  );
}

function swapLine(kind: 'e' | 'p' | 's', path: string, content: Uint8Array | undefined): Buffer[] {
  return [Buffer.from(`${kind} ${content?.length ?? '-'} ${onOneLine(path)}\n`), Buffer.from(content ?? [])];
}

async function ask(shell: FarShell, request: string | Uint8Array): Promise<string[]> {
  shell.write(request);
  return answerOf(shell);
}

async function answerOf(shell: FarShell): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of shell.answer()) lines.push(line);
  return lines;
}

/** Returns a request with a list of paths. */
function list(request: string, paths: readonly string[]): string {
  const body = paths.map((path) => `${path}\0`).join('');
  return `${request} ${Buffer.byteLength(body)}\n${body}`;
}

const isFolder = (path: string): boolean => path.endsWith('/');

function onOneLine(path: string): string {
  if (!path.includes('\n')) return path;
  throw new NightlyError('bug', `A path with a line break cannot be published: ${JSON.stringify(path)}`);
}

/** @throws NightlyError `unsupported`: half an answer would be taken for the whole. */
function sizeAndPath(line: string): SizedFile {
  const [, bytes, path] = /^(\d+) (.+)$/s.exec(line) ?? [];
  if (bytes !== undefined && path !== undefined && Number.isSafeInteger(Number(bytes))) {
    return { bytes: Number(bytes), path };
  }
  throw notUnderstood(line);
}

function notUnderstood(line: string): NightlyError {
  return new NightlyError(
    'unsupported',
    `The far side names a file in a way that is not understood: ${JSON.stringify(line)}.`,
    {
      hint: 'What the account prints by itself must not come from background processes of its start files.',
    },
  );
}

function sum(files: readonly SizedFile[]): SendStats {
  return { files: files.length, bytes: files.reduce((total, { bytes }) => total + bytes, 0) };
}

function lacksError(destination: string, lacking: readonly string[]): NightlyError {
  const what = lacking.map((line) => line.replace(/^lacks /, '')).join(', ');
  return new NightlyError('target-unreachable', `The far side of ${destination} has no ${what}.`, {
    hint: 'Install GNU coreutils, findutils and tar and util-linux there on a file system with hard links, or use a target of type rsync.',
  });
}
