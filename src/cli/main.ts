import { CommanderError } from 'commander';
import { asNightlyError } from '../base/as-nightly-error.ts';
import { NightlyError } from '../base/errors.ts';
import { outliveReaders, writeLine } from '../base/output.ts';
import { type ColourMode, isColoured, useTones } from '../base/tone.ts';
import { EXIT } from '../build/outcomes.ts';
import type { LogFormat } from '../reports/progress/log-format.ts';
import { withBuildIds, withoutMinus } from './build-names.ts';
import { loadCommand, readCatalog } from './catalog.ts';
import { exitCodeOfError } from './exit-code.ts';
import { withHelpfulHint } from './helpful-hint.ts';
import { formatError } from './print.ts';
import { createProgram } from './program.ts';

interface Globals {
  readonly config: string;
  readonly logFormat: LogFormat;
  readonly color: ColourMode;
  readonly quiet?: true;
  readonly verbose?: true;
}

/** How progress is shown; --quiet and --verbose are ways to show it that have a short form. */
function logFormatOf({ logFormat, quiet, verbose }: Globals): LogFormat {
  if (quiet && verbose) throw new NightlyError('usage', '--quiet and --verbose exclude each other.');
  if (logFormat === 'json') return logFormat;
  return quiet ? 'quiet' : verbose ? 'verbose' : logFormat;
}

const print = (text: string): void => {
  writeLine(process.stdout, text);
};

/** Aborts on the first SIGINT or SIGTERM; a second one ends the program at once. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort(
      new NightlyError('interrupted', 'Interrupted.', {
        hint: 'Run "atomic-nightly resume" to continue where it stopped.',
      }),
    );
  };
  // A session that was lost takes nobody with it: the run goes on to its end.
  process.on('SIGHUP', () => undefined);
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return controller.signal;
}

async function main(argv: readonly string[]): Promise<number> {
  let code: number = EXIT.done;
  let isDryRun = false;
  // Trees and what is published are the same whoever runs this, and readable; what is secret is made with a mode of its own.
  process.umask(0o022);
  const program = createProgram(await readCatalog(), async (entry, values) => {
    isDryRun = values['dryRun'] === true;
    const { run, interruptible } = await loadCommand(entry.name);
    const signal = interruptible ? { signal: interruptSignal() } : {};
    const globals = program.opts<Globals>();
    const { config, color } = globals;
    for (const stream of [process.stdout, process.stderr]) if (isColoured(stream, color)) useTones(stream);
    const logFormat = logFormatOf(globals);
    code = await run(await withBuildIds(entry, values, config), { config, logFormat, print, ...signal });
  });
  try {
    await program.parseAsync(withoutMinus(argv));
    return code;
  } catch (caught) {
    // Commander has printed its own message already; --help and --version end with 0.
    if (caught instanceof CommanderError) return caught.exitCode === 0 ? EXIT.done : EXIT.usage;
    const error = withHelpfulHint(asNightlyError(caught), { dryRun: isDryRun });
    if (program.opts<Globals>().logFormat === 'json') {
      const { jsonLog } = await import('../reports/progress/json-lines.ts');
      jsonLog(process.stderr, { build: null, stream: null }).error(error);
    } else writeLine(process.stderr, formatError(error));
    return exitCodeOfError(error);
  }
}

outliveReaders();
process.exitCode = await main(process.argv);
