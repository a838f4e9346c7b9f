import type { Readable, Writable } from 'node:stream';
import { NightlyError } from '../base/errors.ts';
import { isErrno } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { failed, missing } from './program-fault.ts';
import { closeLog, openLog, tailOf } from './program-output.ts';
import { killGroup, liveGroups, type RunOptions, spawn } from './spawn.ts';

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
  const started = spawn(command, args, { keepStdinOpen: true, cwd });
  const { child, ending, stdin, stdout } = started;
  const { pid } = child;
  if (!stdin) throw new NightlyError('bug', `${command} was started without an input.`);
  // A broken pipe shows as the program's end, with its own words about the reason.
  stdin.on('error', () => undefined);
  const stderr = tailOf(started.stderr, log);
  const ended = Promise.all([ending, stderr]).then(async ([result, err]) => {
    if (pid !== undefined) liveGroups.delete(pid);
    await closeLog(log);
    if (isErrno(result.fault, 'ENOENT')) throw missing(command, cwd);
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
