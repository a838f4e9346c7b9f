import { NightlyError } from '../../base/errors.ts';

/** What one look at a published target found. */
export type Check =
  | { readonly ok: true; readonly what: string; readonly detail: string }
  | { readonly ok: false; readonly what: string; readonly why: string; readonly hint: string };

/** Takes what is found, as it is found. */
export interface Report {
  ok(what: string, detail: string): void;
  fault(what: string, why: string, hint: string): void;
}

export const RECONCILE_HINT = 'Run "atomic-nightly publish --reconcile": it sends what is missing or damaged again.';

/** Returns a report that hands each check on. */
export function reportTo(take: (check: Check) => void): Report {
  return {
    ok: (what, detail) => take({ ok: true, what, detail }),
    fault: (what, why, hint) => take({ ok: false, what, why, hint }),
  };
}

/**
 * Does some checks; whatever they throw becomes a fault, so that the checks after them are still made. An interruption
 * goes through. @returns undefined after a fault.
 */
export async function attempt<Result>(
  report: Report,
  what: string,
  hint: string,
  signal: AbortSignal,
  checks: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await checks();
  } catch (error) {
    signal.throwIfAborted();
    report.fault(what, reasonOf(error), hint);
    return undefined;
  }
}

/** Returns the telling line of an error: of a program's, the last it printed. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const lines = error.message.trim().split('\n');
  if (error instanceof NightlyError && error.code === 'tool-failed')
    return (lines.at(-1) ?? '').replace(/^error: /, '');
  return error.cause instanceof Error ? `${lines.join(' ')}: ${error.cause.message}` : lines.join(' ');
}

/** One check as a line, a fault with what to do on a second one. */
export function checkLines(check: Check): string {
  if (check.ok) return `ok      ${check.what}: ${check.detail}`;
  return `not ok  ${check.what}: ${check.why}\n        what to do: ${check.hint}`;
}
