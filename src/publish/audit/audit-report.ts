import { join } from 'node:path';
import { z } from 'zod';
import { bytesIfThere, sha256, writeFileAtomic } from '../../base/files.ts';
import { FORMATS } from '../../base/format-versions.ts';
import { type RecordOf, readRecord, recordFormat, recordText } from '../../base/read-record.ts';
import { count, instant } from '../../build/record-values.ts';
import { FINDING_KINDS } from './audit-findings.ts';

export const AUDIT_REPORT = recordFormat({
  version: FORMATS['audit report'],
  schema: z.strictObject({
    version: z.literal(FORMATS['audit report'].newest),
    /** A target of the configuration, or a URL. */
    target: z.string(),
    url: z.string(),
    at: instant,
    ok: z.boolean(),
    /** Entries of the log. */
    entries: count,
    read: z.strictObject({ files: count, bytes: count }),
    findings: z.array(z.strictObject({ kind: z.enum(FINDING_KINDS), what: z.string(), why: z.string() })),
    /** Names of files beside this one. */
    evidence: z.array(z.string().regex(/^[\w-]+\.json\.(seen|served)-[0-9a-f]{12}$/, 'must be a kept checkpoint')),
    /** Why it could not be audited. */
    error: z.string().exactOptional(),
    /** When it was last as the log has it. */
    'good-at': instant.exactOptional(),
  }),
  hint: 'Remove it: the next audit writes another.',
});

/** What an audit found, as its file `work/audit/NAME.report.json` and `--json` have it. */
export type AuditReport = RecordOf<typeof AUDIT_REPORT>;

/** Folder of a work folder for what audits remember and found. */
export const auditFolder = (work: string): string => join(work, 'audit');

/** Returns the name by which files about an audit go: never one that the target's owner chose. */
export const auditName = (target: string): string => `audit-${sha256(target).slice(0, 12)}`;

/** What an audit of a target remembers. */
export const auditStatePath = (work: string, target: string): string =>
  join(auditFolder(work), `${auditName(target)}.json`);

const reportPath = (work: string, target: string): string =>
  join(auditFolder(work), `${auditName(target)}.report.json`);

/** Returns a report with the keys that are stored, for scripts. */
export const storedReport = (report: AuditReport): object => AUDIT_REPORT.encode(report);

/** Reads what the last audit of a target found; undefined when there was none. @throws NightlyError `record` */
export async function readAuditReport(work: string, target: string): Promise<AuditReport | undefined> {
  const path = reportPath(work, target);
  const content = await bytesIfThere(path);
  return content && parseAuditReport(content, path);
}

/** Reads a report. @throws NightlyError `record` */
export function parseAuditReport(content: Uint8Array, file: string): AuditReport {
  return readRecord(content, AUDIT_REPORT, file);
}

/** Stores a report as the last of its target. */
export async function writeAuditReport(work: string, report: AuditReport): Promise<void> {
  await writeFileAtomic(reportPath(work, report.target), recordText(report, AUDIT_REPORT));
}
