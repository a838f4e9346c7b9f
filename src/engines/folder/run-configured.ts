import { setTimeout as sleep } from 'node:timers/promises';
import { NightlyError } from '../../base/errors.ts';
import { oneLine } from '../../base/one-line.ts';
import type { Task } from '../../base/task.ts';
import type { CommandConfig } from '../../config/config.ts';
import { run } from '../../programs/exec.ts';
import { killProcess, processesMarked, procStrings } from '../../programs/processes.ts';
import { commandLine } from '../../programs/program-fault.ts';
import { killGroup, RUN_MARKER } from '../../programs/spawn.ts';

/** All that a configured program gets of this program's environment: no secret that is meant for another, and what it needs to run. */
const KEPT = ['PATH', 'HOME', 'USER', 'LOGNAME', 'TMPDIR', RUN_MARKER];

/**
 * Runs a program of the configuration, in the folder of its file and with a minimal environment. What it prints goes to the
 * build's log. Processes that it leaves behind are ended: they would keep its output open, or write to a tree that is being read.
 * @throws NightlyError `compose` when it fails, with the first of its lines that says why; `tool-missing`, `disk-full`.
 */
export async function runConfigured(
  [program, ...args]: readonly [string, ...string[]],
  { workingFolder }: Pick<CommandConfig, 'workingFolder'>,
  options: { readonly env?: Readonly<Record<string, string>>; readonly onOutput?: (line: string) => void },
  task: Task,
): Promise<void> {
  const errors: string[] = [];
  const dropped = Object.keys(process.env).filter((name) => !KEPT.includes(name));
  try {
    await run(program, args, {
      task,
      cwd: workingFolder,
      env: { ...Object.fromEntries(dropped.map((name) => [name, undefined])), ...options.env },
      onExit: (group) => endLeftRunning(group, options.env?.['ATOMIC_ROOT'], task),
      onLine: (line, stream) => {
        if (stream === 'stdout') options.onOutput?.(line);
        if (errors.length < KEPT_LINES && (stream === 'stderr' || isCause(line))) errors.push(line);
      },
    });
  } catch (error) {
    if (error instanceof NightlyError && error.code === 'tool-missing') {
      const place = program.includes('/') ? ` in ${workingFolder}` : ' on this machine';
      throw new NightlyError(
        'tool-missing',
        `There is no program ${program}${place}, or what its first line names is missing.`,
        {
          hint: 'Correct the "engine" of the stream in the configuration, or put the program there.',
          cause: error,
        },
      );
    }
    if (!(error instanceof NightlyError) || error.code !== 'tool-failed') throw error;
    const [how = error.message] = error.message.split('\n');
    const cause = errors.find(isCause) ?? errors.find((line) => line.trim() !== '');
    throw new NightlyError('compose', cause === undefined ? how : `${how}\n${oneLine(cause).trim()}`, {
      hint: `All it printed is in the step log. It was run as: ${commandLine(program, args).slice(0, 300)}`,
      log: task.logFile,
      cause: error,
    });
  }
}

/** So many lines are looked at for the cause of a failure; the log has all. */
const KEPT_LINES = 10_000;

const isCause = (line: string): boolean =>
  /\b(error|fatal|failed|failure|cannot|denied|no such|not found|unable|E:)\b|^E: /i.test(line);

/**
 * Ends what a program that has ended left running, and waits until it is gone: its process group, and everything else that knows
 * the folder that it filled.
 */
async function endLeftRunning(group: number, root: string | undefined, task: Task): Promise<void> {
  const told = new Set<number>();
  for (;;) {
    const pids = root === undefined ? [] : await processesMarked(`ATOMIC_ROOT=${root}`);
    for (const pid of pids) {
      const [program = ''] = await procStrings(pid, 'cmdline');
      killProcess(pid);
      if (!told.has(pid)) task.say(`ended what it left running: ${oneLine(program)} (process ${pid})`);
      told.add(pid);
    }
    killGroup(group, 'SIGKILL');
    if (pids.length === 0 || task.signal.aborted) return;
    // One that waits for a disk ends when that answers.
    await sleep(20);
  }
}
