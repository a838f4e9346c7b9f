import { formatSeconds } from '../../base/format.ts';
import { isForGood } from '../../build/continue-hint.ts';
import type { BuildEvent } from './event.ts';

/** One sentence on what happened, as in `mini nightly 20261121_01 failed in compose`. May hold what others wrote. */
export function headline(event: BuildEvent): string {
  const { product, stream, build, failures } = event;
  const what = `${product} ${stream} ${build}`;
  const steps = failures.map(({ step }) => step).filter((step) => step !== '');
  const where = steps.length === 0 ? '' : ` in ${steps.join(', ')}`;
  switch (event.type) {
    case 'started':
      return `${what} has ${event.resumed ? 'been resumed' : 'started'}`;
    case 'complete':
      return `${what} is complete${changed(event)}`;
    case 'unchanged':
      return `${what}: nothing has changed`;
    case 'incomplete':
      return `${what} is incomplete: ${event.url === undefined ? 'not visible yet' : 'published'}, but failed${where}`;
    case 'gate-failed':
      return `${what} did not pass its smoke test${where}`;
    case 'failed':
      return `${what} failed${where}`;
    case 'interrupted':
      return `${what} was interrupted${where}`;
    case 'recovered':
      return `${what} has recovered${changed(event)}`;
    case 'promoted':
      return `${what} is ready for testing: promoted from ${event.night}`;
    case 'released':
      return `${what} is released`;
    case 'withdrawn':
      return `${product} ${stream} ${event.release} is withdrawn: ${build} has the tree of ${event.previous}`;
    case 'key-expiring':
      return `${product} ${stream}: signing key ${event.key} ${expiry(event.days)}`;
    case 'audit-finding':
      return `${product}: ${event.url ?? ''} is not as its release log has it: ${[...new Set(event.findings.map(({ kind }) => kind))].join(', ')}`;
    case 'dispute':
      return `${product}: rebuilds of ${event.source} on ${event.builders.join(' and ')} differ${event.task ? '' : ', and should not'}`;
    case 'test':
      return `${product}: a test of atomic-nightly's messages`;
  }
}

function changed({ changes }: BuildEvent): string {
  if (changes === undefined) return '';
  const { summary, security } = changes;
  return `, ${summary}${security === undefined ? '' : ` (${security})`}`;
}

function expiry(days: number): string {
  if (days < 0) return 'has expired';
  return days === 0 ? 'expires today' : `expires in ${days} day${days === 1 ? '' : 's'}`;
}

/** Returns what people can do about it: a sentence with a command; empty where there is nothing to do. */
function nextStep(event: BuildEvent): string {
  const { type, build } = event;
  switch (type) {
    case 'failed':
    case 'incomplete':
    case 'gate-failed':
    case 'interrupted':
      // What it began with is what is wrong: to continue it would fail again.
      if (isForGood({ state: type, failures: event.failures })) {
        return `"atomic-nightly log ${build}" shows what happened; once that is corrected, begin a new build.`;
      }
      return event.state === 'complete'
        ? `"atomic-nightly release ${build}" continues it.`
        : `"atomic-nightly log ${build}" shows what happened; "atomic-nightly resume ${build}" continues it.`;
    case 'promoted':
      return `When it is tested: "atomic-nightly approve ${build} --by NAME", then "atomic-nightly release ${build}".`;
    case 'key-expiring':
      return 'Begin a rotation now: docs/signing.md. Clients refuse what it signed from then on.';
    case 'audit-finding':
      return 'docs/audit.md says what each finding means; "atomic-nightly audit" looks again.';
    case 'dispute':
      return `"atomic-nightly disputes show ${event.dispute}" shows what differs; nothing of it is published until somebody resolves it.`;
    case 'started':
    case 'complete':
    case 'unchanged':
    case 'recovered':
    case 'released':
    case 'withdrawn':
    case 'test':
      return '';
  }
}

/** Returns the values of the templates of mails and messages: every one is there, empty where an event has none. */
export function templateValues(event: BuildEvent) {
  const { type, at, product, stream, build, arch, ref, state, commit = '', url = '', seconds, changes } = event;
  return {
    type,
    at,
    product,
    stream,
    build,
    arch,
    ref,
    state,
    commit,
    url,
    headline: headline(event),
    duration: seconds === undefined ? '' : formatSeconds(seconds),
    summary: changes?.summary ?? '',
    packages: (changes?.packages ?? []).map(({ name, from = '', to = '' }) => ({ name, from, to })),
    more: changes?.more ?? 0,
    advisories: changes?.advisories ?? '',
    failures: event.failures.map(({ step, code, message, hint = '' }) => ({ step, code, message, hint })),
    reason: 'reason' in event ? (event.reason ?? '') : '',
    notes: 'notes' in event ? event.notes : '',
    next: nextStep(event),
  };
}
