import type { ErrorCode, NightlyError } from '../base/errors.ts';
import type { Outcome } from '../pipelines/nightly.ts';

/** The exit codes of the program (I7); scripts, timers and `serve` tell by them what to do. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  unchanged: 10,
  locked: 11,
  gateFailed: 12,
  interrupted: 130,
} as const;

type ExitName = keyof typeof EXIT;

/** What each means, in the words of the help. */
const MEANING: Readonly<Record<ExitName, string>> = {
  done: 'done',
  failed: 'failed',
  usage: 'usage or configuration',
  unchanged: 'unchanged',
  locked: 'locked by another run',
  gateFailed: 'built but a gate failed',
  interrupted: 'interrupted',
};

const BY_STATE: Readonly<Record<Outcome['state'], ExitName>> = {
  complete: 'done',
  stopped: 'done',
  incomplete: 'failed',
  unchanged: 'unchanged',
  'gate-failed': 'gateFailed',
};

/** Every other error is `failed`. */
const BY_ERROR: Partial<Record<ErrorCode, ExitName>> = {
  usage: 'usage',
  config: 'usage',
  treefile: 'usage',
  unsupported: 'usage',
  locked: 'locked',
  'gate-failed': 'gateFailed',
  interrupted: 'interrupted',
};

/** All exit codes with what they mean, for help and man page. */
export function allExitCodes(): Record<number, string> {
  const names: readonly ExitName[] = ['done', 'failed', 'usage', 'unchanged', 'locked', 'gateFailed', 'interrupted'];
  return Object.fromEntries(names.map((name) => [EXIT[name], MEANING[name]]));
}

/** The exit code of a run that came to an end. */
export function exitCodeOf({ state }: Outcome): number {
  return EXIT[BY_STATE[state]];
}

/** The exit code for what a command threw. */
export function exitCodeOfError({ code }: NightlyError): number {
  return EXIT[BY_ERROR[code] ?? 'failed'];
}
