import { CommanderError } from 'commander';
import { asNightlyError } from '../../src/base/as-nightly-error.ts';
import { push } from '../../src/cli/commands/push.ts';
import { exitCodeOfError } from '../../src/cli/exit-code.ts';
import { formatError } from '../../src/cli/print.ts';
import { createProgram } from '../../src/cli/program.ts';
import type { CliResult } from './world.ts';

/** Runs `atomic-nightly push` in this process: starting the program takes ten times as long as most of what it does here. */
export async function pushHere(args: readonly string[], config = '/nowhere/atomic-nightly.yaml'): Promise<CliResult> {
  const printed: string[] = [];
  let code = 0;
  const context = {
    config,
    logFormat: 'json',
    print: (line: string) => void printed.push(line),
    signal: new AbortController().signal,
  } as const;
  const program = createProgram([push.entry], async (_, values) => {
    code = await push.run(values as Parameters<typeof push.run>[0], context);
  });
  for (const command of [program, ...program.commands]) command.configureOutput({ writeErr: () => undefined });
  try {
    await program.parseAsync(['node', 'atomic-nightly', 'push', ...args]);
    return { code, stdout: printed.join('\n'), stderr: '' };
  } catch (caught) {
    if (caught instanceof CommanderError) return { code: 2, stdout: '', stderr: caught.message };
    const error = asNightlyError(caught);
    return { code: exitCodeOfError(error), stdout: '', stderr: formatError(error) };
  }
}
