import { type ErrorCode, NightlyError } from '../../base/errors.ts';
import { startHintFor } from '../../base/served-here.ts';
import { NO_ANSWER_HINT, NoAnswerError } from './public-http.ts';

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
    report.fault(what, reasonOf(error), hintFor(error, hint));
    return undefined;
  }
}

/** What is wrong here, and not with the target. */
const OF_THIS_MACHINE: readonly ErrorCode[] = ['permission', 'tool-missing', 'usage'];

/** Returns the advice that fits: what this machine or a server that gives no answer needs is no repair of the target. */
export function hintFor(error: unknown, hint: string): string {
  if (error instanceof NightlyError && error.code === 'disk-full') return 'Free some space there, then verify again.';
  const own = error instanceof NightlyError && OF_THIS_MACHINE.includes(error.code) ? error.hint : undefined;
  return (
    own ?? startHintFor(reasonOf(error)) ?? (error instanceof NoAnswerError || isRefusal(error) ? NO_ANSWER_HINT : hint)
  );
}

/** Whether a pull of ostree failed for want of an answer: a file that is not there has status 404 or 410. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof NightlyError) || error.code !== 'tool-failed') return false;
  return /returned (HTTP|status) (?!404|410)\d{3}|Could not (resolve|connect)|Couldn't connect|Connection (refused|timed out)|\bproxy\b/i.test(
    error.message,
  );
}

/** Returns the telling line of an error: of a program's, the last it printed. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const lines = error.message.trim().split('\n');
  if (error instanceof NightlyError && error.code === 'tool-failed')
    return (lines.at(-1) ?? '').replace(/^error: /, '');
  // A damaged record is told whole; its cause is the same in the words of the schema, over many lines.
  if (error instanceof NightlyError && error.code === 'record') return lines.join(' ');
  return !(error instanceof NoAnswerError) && error.cause instanceof Error
    ? `${lines.join(' ')}: ${error.cause.message}`
    : lines.join(' ');
}

/** One check as a line, a fault with what to do on a second one. */
export function checkLines(check: Check): string {
  if (check.ok) return `ok      ${check.what}: ${check.detail}`;
  return `not ok  ${check.what}: ${check.why}\n        what to do: ${check.hint}`;
}
