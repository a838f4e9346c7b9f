import { formatBytes } from '../../base/format.ts';
import type { AuditReport } from '../../publish/audit/audit-report.ts';
import { type PageView, pageView } from './page.ts';
import { visibleText } from './page-text.ts';
import { type TimeView, timeView } from './time-view.ts';

/** Values of the page `audit`. */
interface AuditPage extends PageView {
  readonly audits: readonly {
    readonly target: string;
    readonly url: string;
    readonly verdict: string;
    readonly error: string;
    readonly at: TimeView | undefined;
    readonly good: TimeView | undefined;
    readonly entries: number;
    readonly read: string;
    readonly findings: readonly { readonly kind: string; readonly what: string; readonly why: string }[];
    readonly evidence: readonly string[];
  }[];
}

/** Returns the page with what the last audits found. @param audits by target; without a report where there was none yet */
export function auditPage(
  product: string,
  audits: readonly { readonly target: string; readonly report: AuditReport | undefined }[],
): AuditPage {
  return {
    ...pageView(product, 'Audit', { depth: 1, live: true }),
    audits: audits.map(({ target, report }) => ({
      target: visibleText(target),
      url: report?.url ?? '',
      verdict: verdictOf(report),
      error: visibleText(report?.error ?? ''),
      at: report && timeView(report.at),
      good: report?.goodAt === undefined ? undefined : timeView(report.goodAt),
      entries: report?.entries ?? 0,
      read: report ? `${report.read.files} files, ${formatBytes(report.read.bytes)}` : '',
      findings: (report?.findings ?? []).map(({ kind, what, why }) => ({
        kind,
        what: visibleText(what),
        why: visibleText(why),
      })),
      evidence: report?.evidence ?? [],
    })),
  };
}

function verdictOf(report: AuditReport | undefined): string {
  if (report === undefined) return 'not audited yet';
  if (report.error !== undefined) return 'could not be audited';
  return report.ok ? 'all is as the log has it' : 'something is not as the log has it';
}
