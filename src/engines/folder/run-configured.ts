import { NightlyError } from '../../base/errors.ts';
import { oneLine } from '../../base/one-line.ts';
import type { Task } from '../../base/task.ts';
import type { CommandConfig } from '../../config/config.ts';
import { run } from '../../programs/exec.ts';
import { commandLine } from '../../programs/program-fault.ts';
import { RUN_MARKER } from '../../programs/spawn.ts';

/** All that a configured program gets of this program's environment: no secret that is meant for another, and what it needs to run. */
const KEPT = ['PATH', 'HOME', 'USER', 'LOGNAME', 'TMPDIR', RUN_MARKER];

/**
 * Runs a program of the configuration, in the folder of its file and with a minimal environment. What it prints goes to the
 * build's log.
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
      onLine: (line, stream) => {
        if (stream === 'stdout') options.onOutput?.(line);
        if (errors.length < KEPT_LINES && (stream === 'stderr' || isCause(line))) errors.push(line);
      },
    });
  } catch (error) {
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
