import type { Config } from '../../config/config.ts';
import { FINDING_KINDS } from '../../publish/audit/audit-findings.ts';
import { readAuditReport } from '../../publish/audit/audit-report.ts';
import type { SetGauge } from './gauges.ts';

/** Adds what the last audit of each target found. */
export async function addAudits({ work, audit }: Config, gauge: SetGauge): Promise<void> {
  for (const target of audit?.targets ?? []) {
    const report = await readAuditReport(work, target).catch(() => undefined);
    if (report === undefined) continue;
    for (const kind of FINDING_KINDS) {
      const found = report.findings.filter((one) => one.kind === kind).length;
      gauge('audit_findings', 'What the last audit of a target found, by kind.', { target, kind }, found);
    }
    const seconds = (at: string) => Date.parse(at) / 1000;
    gauge('audit_timestamp_seconds', 'When a target was audited last.', { target }, seconds(report.at));
    // 0, which is old, for one that never was as the log has it.
    const good = report.goodAt === undefined ? 0 : seconds(report.goodAt);
    gauge('audit_good_timestamp_seconds', 'When an audit last found a target as the log has it.', { target }, good);
    gauge(
      'log_entries',
      'Entries of the release log of a target, as the last audit saw it.',
      { target },
      report.entries,
    );
  }
}
