import { type ChildProcess, spawn as spawnChild } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Task } from '../base/task.ts';
import { inputPipe, outputPipe } from './pipes.ts';
import { failed } from './program-fault.ts';

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
  readonly task?: Task | undefined;
  /** Whether the task's log has its command line and what it prints. Default: true. */
  readonly logged?: boolean;
  /** What of standard output is data for this program: all of it, or some of its lines. The log says no more of that than how much it was. */
  readonly data?: true | ((line: string) => boolean);
  readonly cwd?: string | undefined;
  /** Added to this program's environment; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Written to standard input, which is otherwise empty. */
  readonly input?: string | Uint8Array;
  /** Leave standard input an open pipe, which closes when this program ends or the process is stopped. */
  readonly keepStdinOpen?: boolean;
  readonly timeoutMs?: number | undefined;
  /** Exit codes that are results, not failures. Default: only 0. */
  readonly okExitCodes?: readonly number[];
  /** A death by a signal is a result too, with the exit code a shell gives it: 128 and the signal's number. */
  readonly okSignals?: boolean;
  /** Awaited once the process itself has ended, while what it started may still run, in its group or not, and hold its output open. */
  readonly onExit?: (group: number) => Promise<void>;
  /** The most that is taken of standard output; a program that prints more is ended. Default: 500 million. */
  readonly mostBytes?: number | undefined;
  /** Called for each line as it arrives. With it, standard output is not kept in memory. */
  readonly onLine?: ((line: string, stream: 'stdout' | 'stderr') => void) | undefined;
}

/** Every exit code: those of a program with which none is a failure. */
export const ANY_EXIT_CODE: readonly number[] = Array.from({ length: 256 }, (_, code) => code);

/** Process groups of children that are to end with this program. */
export const liveGroups = new Set<number>();
process.on('exit', () => {
  for (const pid of liveGroups) killGroup(pid, 'SIGKILL');
});

/** Sends a signal to a process group; one that has ended is no fault. */
export function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: the group is gone already, which is what was asked for.
  }
}

/**
 * Variables by which systemd reaches the process it started, and nobody else: with NOTIFY_SOCKET a child could say that
 * we are ready, and by INVOCATION_ID and JOURNAL_STREAM rpm-ostree takes itself for a service that logs into the
 * journal.
 */
export const OURS_ALONE = {
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
export interface Ending {
  /** Undefined after a signal, and when it could not be started. */
  readonly exitCode?: number;
  readonly signal?: NodeJS.Signals;
  readonly fault?: Error;
}

export interface Spawned {
  /** Without a pid when it could not be started. */
  readonly child: ChildProcess;
  /** Never rejects. */
  readonly ending: Promise<Ending>;
  readonly stdin: Socket | undefined;
  readonly stdout: Socket;
  readonly stderr: Socket;
}

/** Starts a child in a process group of its own, with pipes. @throws NightlyError `tool-failed` for arguments that no program can be given. */
export function spawn(command: string, args: readonly string[], options: RunOptions): Spawned {
  const input = options.input !== undefined || options.keepStdinOpen ? inputPipe() : undefined;
  const [output, errors] = [outputPipe(), outputPipe()];
  const ends = [output, errors, ...(input ? [input] : [])];
  try {
    const child = spawnChild(command, args, {
      detached: true,
      stdio: [input?.fd ?? 'ignore', output.fd, errors.fd],
      // Programs are parsed, so they must speak the same language everywhere.
      env: { ...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC', ...OURS_ALONE, ...options.env },
      cwd: options.cwd,
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

/** Does something once a signal comes. @returns what forgets it again */
export function onAbort(signal: AbortSignal | undefined, action: () => void): () => void {
  signal?.addEventListener('abort', action, { once: true });
  return () => signal?.removeEventListener('abort', action);
}
