import type { Config } from '../../config/config.ts';
import { type AuditReport, auditFolder } from '../../publish/audit/audit-report.ts';
import { openCourier } from './deliver-event.ts';
import { asEvent } from './derive.ts';
import type { BuildEvent } from './event.ts';

/** How long notifications may delay the end of an audit. */
const LIMIT_MS = 20_000;

/**
 * Notifies the sinks about what an audit found that the one before did not. An audit needs no run lock, and so its events wait in outboxes of
 * its own, below `work/audit`.
 * @param say given a sentence for each sink that could not be reached
 */
export async function tellFindings(
  { name, notify, work }: Pick<Config, 'name' | 'notify' | 'work'>,
  audited: readonly { readonly report: AuditReport; readonly before: AuditReport | undefined }[],
  { say, signal }: { readonly say: (line: string) => void; readonly signal: AbortSignal },
): Promise<void> {
  const couriers = notify.map((sink) => openCourier(auditFolder(work), sink));
  const events = audited.flatMap((one) => findingEvent(name, one) ?? []);
  for (const courier of couriers) for (const event of events) await courier.take(event);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
  for (const fault of await Promise.all(couriers.map((courier) => courier.deliver(limit))))
    if (fault !== undefined) say(`notify: ${fault}`);
}

/** Returns the event about what is new; undefined when nothing is. */
export function findingEvent(
  product: string,
  { report, before }: { readonly report: AuditReport; readonly before: AuditReport | undefined },
): BuildEvent | undefined {
  const known = new Set(before?.findings.map(({ kind, what }) => `${kind} ${what}`));
  const findings = report.findings.filter(({ kind, what }) => !known.has(`${kind} ${what}`));
  if (findings.length === 0) return undefined;
  const failures = findings.map(({ kind, what, why }) => ({
    step: kind,
    code: 'verify' as const,
    message: `${what}: ${why}`,
  }));
  const about = { product, stream: 'audit', build: 'audit', arch: '', ref: '', state: '', url: report.url, failures };
  return asEvent(about, { type: 'audit-finding', findings });
}
