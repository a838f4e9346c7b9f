import { constants } from 'node:os';
import { isErrno } from '../base/files.ts';
import { runningLimit } from '../base/running-time.ts';
import { failed, missing } from './program-fault.ts';
import { closeLog, eachLine, openLog, tail, tailOf, wholeText } from './program-output.ts';
import { killGroup, liveGroups, onAbort, type RunOptions, spawn } from './spawn.ts';

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
  /** Lets this program end while that one runs, which is killed then. */
  unref(): void;
}

/**
 * Runs a program to its end.
 * @throws NightlyError `tool-missing`, `tool-failed` (another exit code than the ok ones, a signal, too much output, or the time limit),
 *   `disk-full` (the program said so), `interrupted` (the task was aborted).
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { task } = options;
  task?.signal.throwIfAborted();
  const logged = options.logged === false ? undefined : task;
  const log = openLog(logged, command, args);
  try {
    const { child, ending, ...streams } = spawn(command, args, options);
    const taken = options.onLine
      ? eachLine(streams.stdout, 'stdout', options.onLine, log, options.data)
      : wholeText(streams.stdout, log, options);
    const stdout = taken.then((text) => {
      if (text === undefined && child.pid !== undefined) killGroup(child.pid, 'SIGKILL');
      return text;
    });
    const stderr = options.onLine
      ? eachLine(streams.stderr, 'stderr', options.onLine, log)
      : tailOf(streams.stderr, log);
    const stopWatching = onAbort(task?.signal, () => child.pid !== undefined && killGroup(child.pid, 'SIGKILL'));
    // What it started was its own; it would keep the pipes open, and us waiting.
    void ending.then(({ signal }) => signal && child.pid !== undefined && killGroup(child.pid, 'SIGKILL'));
    let timedOut = false;
    const limit =
      options.timeoutMs === undefined
        ? undefined
        : runningLimit(options.timeoutMs, () => {
            timedOut = true;
            if (child.pid !== undefined) killGroup(child.pid, 'SIGKILL');
          });
    const ended = ending.then(async (result) => {
      if (child.pid !== undefined) await options.onExit?.(child.pid);
      return result;
    });
    try {
      const [result, out, err] = await Promise.all([ended, stdout, stderr]);
      task?.signal.throwIfAborted();
      if (out === undefined) throw failed('printed more than is taken of it', command, args, err, logged);
      if (timedOut) throw failed(`did not end within ${(options.timeoutMs ?? 0) / 1000} s`, command, args, err, logged);
      if (result.exitCode === undefined) {
        if (isErrno(result.fault, 'ENOENT')) throw missing(command, options.cwd);
        if (result.signal && options.okSignals) {
          return { exitCode: 128 + constants.signals[result.signal], stdout: out, stderr: err };
        }
        throw failed(
          result.signal ? `was killed by ${result.signal}` : `could not be started: ${result.fault?.message}`,
          command,
          args,
          err,
          logged,
        );
      }
      if (!(options.okExitCodes ?? [0]).includes(result.exitCode)) {
        throw failed(`ended with exit code ${result.exitCode}`, command, args, err || tail(out), logged);
      }
      return { exitCode: result.exitCode, stdout: out, stderr: err };
    } finally {
      limit?.end();
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
  const { child, ending, stdin, stdout, stderr } = spawn(command, args, options);
  const onLine = options.onLine ?? (() => undefined);
  const output = Promise.all([eachLine(stdout, 'stdout', onLine, log), eachLine(stderr, 'stderr', onLine, log)]);
  const { pid } = child;
  if (pid === undefined) {
    await ending;
    await closeLog(log);
    throw missing(command, options.cwd);
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
    unref: () => {
      for (const one of [child, stdin, stdout, stderr]) one?.unref();
    },
    async stop(graceMs = 3000) {
      killGroup(pid, 'SIGTERM');
      const timer = setTimeout(() => killGroup(pid, 'SIGKILL'), graceMs);
      await exited;
      clearTimeout(timer);
    },
  };
}
