import { type ChildProcess, spawn as spawnChild } from 'node:child_process';
import { closeSync, createWriteStream, type WriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { basename } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { NightlyError } from '../base/errors.ts';
import { isErrno } from '../base/files.ts';
import { linesOf } from '../base/lines.ts';
import { plainShellWord } from '../base/quoting.ts';
import { createRedactor, redact } from '../base/redact.ts';
import type { Task } from '../base/task.ts';
import { inputPipe, outputPipe } from './pipes.ts';

/**
 * The only place that starts processes. A child has pipes or files as standard input, output and error, never sockets
 * (pipes.ts), and nothing in its environment that would have it speak to systemd for us. Each child leads its own
 * process group, which is killed as a whole when the task is aborted, on a time limit, and when this program exits.
 * After a SIGKILL of this program the children live on; they are found by the environment variable below and killed by
 * the next holder of the run lock (run/lock.ts).
 */
export const RUN_MARKER = 'ATOMIC_NIGHTLY_RUN';

export interface RunOptions {
  /** Gives cancellation and the log file. Without it nothing is logged and the process cannot be aborted. */
  readonly task?: Task;
  readonly cwd?: string;
  /** Added to this program's environment; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Written to standard input, which is otherwise empty. */
  readonly input?: string | Uint8Array;
  /** Leave standard input an open pipe, which closes when this program ends or the process is stopped. */
  readonly keepStdinOpen?: boolean;
  readonly timeoutMs?: number;
  /** Exit codes that are results, not failures. Default: only 0. */
  readonly okExitCodes?: readonly number[];
  /** A death by a signal is a result too, with the exit code a shell gives it: 128 and the signal's number. */
  readonly okSignals?: boolean;
  /** Called for each line as it arrives. With it, standard output is not kept in memory. */
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
}

export interface RunResult {
  readonly exitCode: number;
  /** Everything printed on standard output; empty when `onLine` was given. */
  readonly stdout: string;
  /** The last 64 KiB of standard error. */
  readonly stderr: string;
}

/** A program that keeps running in the background: a web server, a virtual machine. */
export interface RunningProcess {
  readonly pid: number;
  /** Resolves with the exit code (null after a signal); never rejects. */
  readonly exited: Promise<number | null>;
  /** SIGTERM to the group, SIGKILL after `graceMs` (default 3000). */
  stop(graceMs?: number): Promise<void>;
}

const liveGroups = new Set<number>();
process.on('exit', () => {
  for (const pid of liveGroups) killGroup(pid, 'SIGKILL');
});

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: the group is gone already, which is what was asked for.
  }
}

/** Returns a command line as a person would type it, for messages and logs: without secrets. */
export function commandLine(command: string, args: readonly string[]): string {
  return redact([command, ...args].map(plainShellWord).join(' '));
}

/**
 * Runs a program to its end.
 * @throws NightlyError `tool-missing`, `tool-failed` (another exit code than the ok ones, a signal, or the time limit),
 *   `disk-full` (the program said so), `interrupted` (the task was aborted).
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { task } = options;
  task?.signal.throwIfAborted();
  const log = openLog(task, command, args);
  try {
    const { child, ending, ...streams } = spawn(command, args, options);
    const stdout = options.onLine
      ? eachLine(streams.stdout, 'stdout', options.onLine, log)
      : wholeText(streams.stdout, log);
    const stderr = options.onLine
      ? eachLine(streams.stderr, 'stderr', options.onLine, log)
      : tailOf(streams.stderr, log);
    const stopWatching = onAbort(task?.signal, () => child.pid !== undefined && killGroup(child.pid, 'SIGKILL'));
    // What it started was its own; it would keep the pipes open, and us waiting.
    void ending.then(({ signal }) => signal && child.pid !== undefined && killGroup(child.pid, 'SIGKILL'));
    let timedOut = false;
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            if (child.pid !== undefined) killGroup(child.pid, 'SIGKILL');
          }, options.timeoutMs);
    try {
      const [result, out, err] = await Promise.all([ending, stdout, stderr]);
      task?.signal.throwIfAborted();
      if (timedOut) throw failed(`did not end within ${(options.timeoutMs ?? 0) / 1000} s`, command, args, err, task);
      if (result.exitCode === undefined) {
        if (isErrno(result.fault, 'ENOENT')) throw missing(command);
        if (result.signal && options.okSignals) {
          return { exitCode: 128 + constants.signals[result.signal], stdout: out, stderr: err };
        }
        throw failed(
          result.signal ? `was killed by ${result.signal}` : `could not be started: ${result.fault?.message}`,
          command,
          args,
          err,
          task,
        );
      }
      if (!(options.okExitCodes ?? [0]).includes(result.exitCode)) {
        throw failed(`ended with exit code ${result.exitCode}`, command, args, err || tail(out), task);
      }
      return { exitCode: result.exitCode, stdout: out, stderr: err };
    } finally {
      clearTimeout(timer);
      stopWatching();
      if (child.pid !== undefined) liveGroups.delete(child.pid);
    }
  } finally {
    await closeLog(log);
  }
}

/**
 * Starts a program that keeps running in the background. Its output goes to the task's log.
 * @throws NightlyError `tool-missing`.
 */
export async function start(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunningProcess> {
  const log = openLog(options.task, command, args);
  const { child, ending, stdout, stderr } = spawn(command, args, options);
  const onLine = options.onLine ?? (() => undefined);
  const output = Promise.all([eachLine(stdout, 'stdout', onLine, log), eachLine(stderr, 'stderr', onLine, log)]);
  const { pid } = child;
  if (pid === undefined) {
    await ending;
    await closeLog(log);
    throw missing(command);
  }
  const stopWatching = onAbort(options.task?.signal, () => killGroup(pid, 'SIGKILL'));
  const exited = Promise.all([ending, output]).then(async ([result]) => {
    stopWatching();
    liveGroups.delete(pid);
    await closeLog(log);
    return result.exitCode ?? null;
  });
  return {
    pid,
    exited,
    async stop(graceMs = 3000) {
      killGroup(pid, 'SIGTERM');
      const timer = setTimeout(() => killGroup(pid, 'SIGKILL'), graceMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** A started program that may outlive this one. */
export interface LaunchedProcess {
  readonly pid: number;
  /** Resolves with the exit code (null after a signal); never rejects. */
  readonly exited: Promise<number | null>;
  /** From now on it does not keep this program from ending. */
  forget(): void;
}

/**
 * Starts a program in a process group of its own that keeps running when this one ends, in whatever way. Its output
 * goes to a file, since a pipe would break with this program.
 * @param output `flags` as fs.open takes them: `w` for a new file, `a` to append
 * @throws NightlyError `tool-missing`.
 */
export async function launch(
  command: string,
  args: readonly string[],
  { output, env }: { readonly output: { readonly path: string; readonly flags: 'w' | 'a' } } & Pick<RunOptions, 'env'>,
): Promise<LaunchedProcess> {
  const file = await open(output.path, output.flags);
  try {
    const child = spawnChild(command, args, {
      detached: true,
      stdio: ['ignore', file.fd, file.fd],
      env: { ...process.env, ...OURS_ALONE, ...env },
    });
    const exited = new Promise<number | null>((settle) => child.once('exit', settle));
    const { pid } = await new Promise<typeof child>((settle, refuse) => {
      child.once('spawn', () => settle(child)).once('error', () => refuse(missing(command)));
    });
    if (pid === undefined) throw missing(command);
    return { pid, exited, forget: () => child.unref() };
  } finally {
    await file.close();
  }
}

/** A started program whose input and output are streams of bytes. */
export interface Conversation {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /**
   * Resolves with the exit code when it is an ok one (default: only 0), rejects as `run` does; to be awaited by whoever
   * reads `stdout`.
   */
  readonly ended: Promise<number>;
  kill(): void;
  /** Whether it keeps this program from ending. */
  hold(held: boolean): void;
}

/**
 * Starts a program to write to and read from. It is not bound to a task's signal, since it may outlive the task.
 * @param shown the arguments as messages and the log show them
 */
export function converse(
  command: string,
  args: readonly string[],
  {
    task,
    shown = args,
    cwd,
    okExitCodes = [0],
  }: { readonly task: Task; readonly shown?: readonly string[] } & Pick<RunOptions, 'cwd' | 'okExitCodes'>,
): Conversation {
  const log = openLog(task, command, shown);
  const started = spawn(command, args, { keepStdinOpen: true, ...(cwd === undefined ? {} : { cwd }) });
  const { child, ending, stdin, stdout } = started;
  const { pid } = child;
  if (!stdin) throw new NightlyError('bug', `${command} was started without an input.`);
  // A broken pipe shows as the program's end, with its own words about the reason.
  stdin.on('error', () => undefined);
  const stderr = tailOf(started.stderr, log);
  const ended = Promise.all([ending, stderr]).then(async ([result, err]) => {
    if (pid !== undefined) liveGroups.delete(pid);
    await closeLog(log);
    if (isErrno(result.fault, 'ENOENT')) throw missing(command);
    if (result.exitCode !== undefined && okExitCodes.includes(result.exitCode)) return result.exitCode;
    const how = result.signal ? `was killed by ${result.signal}` : `ended with exit code ${result.exitCode}`;
    throw failed(how, command, shown, err, task);
  });
  ended.catch(() => undefined);
  return {
    stdin,
    stdout,
    ended,
    kill: () => pid !== undefined && killGroup(pid, 'SIGKILL'),
    hold(held) {
      child[held ? 'ref' : 'unref']();
      for (const part of [stdin, stdout, started.stderr]) if (!part.destroyed) part[held ? 'ref' : 'unref']();
    },
  };
}

/**
 * Variables by which systemd reaches the process it started, and nobody else: with NOTIFY_SOCKET a child could say that
 * we are ready, and by INVOCATION_ID and JOURNAL_STREAM rpm-ostree takes itself for a service that logs into the
 * journal.
 */
const OURS_ALONE = {
  INVOCATION_ID: undefined,
  JOURNAL_STREAM: undefined,
  NOTIFY_SOCKET: undefined,
  WATCHDOG_PID: undefined,
  WATCHDOG_USEC: undefined,
  LISTEN_PID: undefined,
  LISTEN_FDS: undefined,
  LISTEN_FDNAMES: undefined,
  SYSTEMD_EXEC_PID: undefined,
};

/** How a child ended, or why it could not be started. */
interface Ending {
  /** Undefined after a signal, and when it could not be started. */
  readonly exitCode?: number;
  readonly signal?: NodeJS.Signals;
  readonly fault?: Error;
}

interface Spawned {
  /** Without a pid when it could not be started. */
  readonly child: ChildProcess;
  /** Never rejects. */
  readonly ending: Promise<Ending>;
  readonly stdin: Socket | undefined;
  readonly stdout: Socket;
  readonly stderr: Socket;
}

function spawn(command: string, args: readonly string[], options: RunOptions): Spawned {
  const input = options.input !== undefined || options.keepStdinOpen ? inputPipe() : undefined;
  const [output, errors] = [outputPipe(), outputPipe()];
  const ends = [output, errors, ...(input ? [input] : [])];
  try {
    const child = spawnChild(command, args, {
      detached: true,
      stdio: [input?.fd ?? 'ignore', output.fd, errors.fd],
      // Programs are parsed, so they must speak the same language everywhere.
      env: { ...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC', ...OURS_ALONE, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    if (child.pid !== undefined) liveGroups.add(child.pid);
    const ending = new Promise<Ending>((settle) => {
      child.once('error', (fault) => child.pid === undefined && settle({ fault }));
      child.once('exit', (exitCode, signal) => {
        settle({ ...(exitCode === null ? {} : { exitCode }), ...(signal === null ? {} : { signal }) });
      });
    });
    if (input) feed(input.ours, options.input, ending);
    return { child, ending, stdin: input?.ours, stdout: output.ours, stderr: errors.ours };
  } catch (error) {
    // Arguments that no program can be given, such as one with a zero byte.
    for (const { ours } of ends) ours.destroy();
    const why = error instanceof Error ? error.message : String(error);
    throw failed(`could not be started: ${why}`, command, args, '', options.task);
  } finally {
    for (const { fd } of ends) closeSync(fd);
  }
}

/** Writes what a child is to read, and lets go of it when the child is gone, whether it read that or not. */
function feed(stdin: Socket, input: string | Uint8Array | undefined, ending: Promise<Ending>): void {
  // The program may end without reading all; its own end is what counts.
  stdin.on('error', () => undefined);
  if (input !== undefined) stdin.end(input);
  void ending.then(() => stdin.destroy());
}

function openLog(task: Task | undefined, command: string, args: readonly string[]): WriteStream | undefined {
  if (!task) return undefined;
  const log = createWriteStream(task.logFile, { flags: 'a' });
  // A full disk must not hide what the program itself reports about it.
  log.on('error', () => undefined);
  log.write(`$ ${commandLine(command, args)}\n`);
  return log;
}

/** Waits until the log is written, so that whoever reads it after a failure finds all of it. */
async function closeLog(log: WriteStream | undefined): Promise<void> {
  if (log && !log.destroyed) await new Promise<void>((settle) => log.once('close', settle).end());
}

async function wholeText(stream: Readable, log: WriteStream | undefined): Promise<string> {
  const chunks: Buffer[] = [];
  const redactor = createRedactor();
  for await (const chunk of stream) {
    chunks.push(Buffer.from(chunk));
    log?.write(redactor.push(chunk));
  }
  log?.write(redactor.rest());
  return Buffer.concat(chunks).toString('utf8');
}

const TAIL_BYTES = 64 * 1024;
const tail = (text: string): string => text.slice(-TAIL_BYTES);

async function tailOf(stream: Readable, log: WriteStream | undefined): Promise<string> {
  let kept = '';
  const redactor = createRedactor();
  for await (const chunk of stream) {
    log?.write(redactor.push(chunk));
    kept = tail(kept + String(chunk));
  }
  log?.write(redactor.rest());
  return kept;
}

async function eachLine(
  stream: Readable,
  name: 'stdout' | 'stderr',
  onLine: NonNullable<RunOptions['onLine']>,
  log: WriteStream | undefined,
): Promise<string> {
  let kept = '';
  for await (const line of linesOf(stream, { carriageReturns: true })) {
    log?.write(`${redact(line)}\n`);
    if (name === 'stderr') kept = tail(`${kept}${line}\n`);
    onLine(line, name);
  }
  return kept;
}

function onAbort(signal: AbortSignal | undefined, action: () => void): () => void {
  signal?.addEventListener('abort', action, { once: true });
  return () => signal?.removeEventListener('abort', action);
}

function missing(command: string): NightlyError {
  return new NightlyError('tool-missing', `The program ${command} is not installed.`, {
    hint: 'Run "atomic-nightly doctor"; it prints the command that installs what is missing.',
  });
}

function failed(
  how: string,
  command: string,
  args: readonly string[],
  output: string,
  task: Task | undefined,
): NightlyError {
  const lastLines = output.trimEnd().split('\n').slice(-12).join('\n');
  const full = /No space left on device|Disk quota exceeded/i.test(output);
  return new NightlyError(
    full ? 'disk-full' : 'tool-failed',
    `${programName(command, args)} ${how}.${lastLines ? `\n${lastLines}` : ''}`,
    {
      hint: full
        ? 'Free some space on that file system, then run "atomic-nightly resume".'
        : task
          ? 'The step log has its command line and all it printed.'
          : `It was run as: ${commandLine(command, args).slice(0, 300)}`,
      ...(task ? { log: task.logFile } : {}),
    },
  );
}

/**
 * Returns a program as a sentence begins with it: without its folder and its arguments, but with a subcommand, as in
 * `ostree commit`.
 */
function programName(command: string, [first = '']: readonly string[]): string {
  const name = basename(command);
  return redact(/^[a-z][a-z-]*$/.test(first) ? `${name} ${first}` : name);
}
