import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { FREE_SPACE_HINT, FULL_WORDS } from '../base/full-disk.ts';
import { harmlessLines } from '../base/one-line.ts';
import { plainShellWord } from '../base/quoting.ts';
import { redact } from '../base/redact.ts';
import type { Task } from '../base/task.ts';

/** Returns a command line as a person would type it, for messages and logs: without secrets. */
export function commandLine(command: string, args: readonly string[]): string {
  return redact([command, ...args].map(plainShellWord).join(' '));
}

/** Returns the error for a program that is not installed, or whose folder is not there: both look the same when it is started. */
export function missing(command: string, cwd?: string | undefined): NightlyError {
  if (cwd !== undefined && !existsSync(cwd))
    return new NightlyError('tool-failed', `${command} could not be started: its folder ${cwd} is not there.`);
  return new NightlyError('tool-missing', `The program ${command} is not installed.`, {
    hint: 'Run "atomic-nightly doctor"; it prints the command that installs what is missing.',
  });
}

/** Returns the error for a program that failed: how first, its last lines, where the rest is in the hint. */
export function failed(
  how: string,
  command: string,
  args: readonly string[],
  output: string,
  task: Task | undefined,
): NightlyError {
  // What it printed may be what others gave it (K17).
  const lastLines = harmlessLines(output.trimEnd().split('\n').slice(-12).join('\n'));
  // ostree keeps some of a disk free, and stops before it is full (ostree.repo-config(5), min-free-space-percent).
  const full = FULL_WORDS.test(output) || /min-free-space-(?:percent|size) .*exceeded/i.test(output);
  return new NightlyError(
    full ? 'disk-full' : 'tool-failed',
    `${full ? 'The disk is full, so ' : ''}${programName(command, args)} ${how}.${lastLines ? `\n${lastLines}` : ''}`,
    {
      hint: full
        ? FREE_SPACE_HINT
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
