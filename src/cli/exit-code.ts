import type { ErrorCode, NightlyError } from '../base/errors.ts';
import { EXIT, type ExitName, OUTCOMES } from '../build/outcomes.ts';
import type { Outcome } from '../pipelines/nightly.ts';

/** What each exit code means, in the words of the help. */
const MEANING: Readonly<Record<ExitName, string>> = {
  done: 'done',
  failed: 'failed',
  usage: 'usage or configuration',
  unchanged: 'unchanged',
  locked: 'locked by another run',
  gateFailed: 'built but a gate failed',
  interrupted: 'interrupted',
};

/** Every other error is `failed`. */
const BY_ERROR: Partial<Record<ErrorCode, ExitName>> = {
  usage: 'usage',
  config: 'usage',
  treefile: 'usage',
  'repo-unknown': 'usage',
  unsupported: 'usage',
  locked: 'locked',
  'gate-failed': 'gateFailed',
  interrupted: 'interrupted',
};

/** Returns all exit codes with what they mean, for help and man page. */
export function allExitCodes(): Record<number, string> {
  const names: readonly ExitName[] = ['done', 'failed', 'usage', 'unchanged', 'locked', 'gateFailed', 'interrupted'];
  return Object.fromEntries(names.map((name) => [EXIT[name], MEANING[name]]));
}

/** Returns the exit code of a run that came to an end; one that stopped where it was asked to is done. */
export function exitCodeOf(outcome: Outcome): number {
  const { state } = outcome;
  // The build stays complete; what the command was to do is not done.
  if (state === 'complete' && outcome.failures.length > 0) return EXIT.failed;
  return EXIT[state === 'stopped' ? 'done' : OUTCOMES[state].exit];
}

/** Returns the exit code for what a command threw. */
export function exitCodeOfError({ code }: NightlyError): number {
  return EXIT[BY_ERROR[code] ?? 'failed'];
}
