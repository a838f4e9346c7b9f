import type { ErrorCode, NightlyError } from '../base/errors.ts';
import type { Outcome } from '../pipelines/nightly.ts';

/**
 * Exit codes (I7): 0 done, 1 failed, 2 usage or configuration, 10 unchanged, 11 locked by another run, 12 built but a
 * gate failed, 130 interrupted.
 */
export function exitCodeOf(outcome: Outcome): number {
  switch (outcome.state) {
    case 'complete':
    case 'stopped':
      return 0;
    case 'incomplete':
      return 1;
    case 'unchanged':
      return 10;
    case 'gate-failed':
      return 12;
  }
}

const errorExitCodes: Partial<Record<ErrorCode, number>> = {
  usage: 2,
  config: 2,
  treefile: 2,
  unsupported: 2,
  locked: 11,
  'gate-failed': 12,
  interrupted: 130,
};

/** The exit code for what a command threw. */
export function exitCodeOfError({ code }: NightlyError): number {
  return errorExitCodes[code] ?? 1;
}
