import { asNightlyError } from '../base/as-nightly-error.ts';
import { formatAge, formatCount } from '../base/format.ts';
import type { AuditConfig } from '../config/audit.ts';
import type { Config, ContentConfig } from '../config/config.ts';
import { assignTags } from '../content/assign-tags.ts';
import { readTagFailure } from '../content/tag-failure.ts';
import { processedTags, readTagState, tagFolder } from '../content/tag-state.ts';
import { readAuditReport } from '../publish/audit/audit-report.ts';
import { readRebuildList } from '../rebuild/rebuild-list.ts';
import { lateAfter } from './schedule.ts';

/**
 * What is wrong beside builds, a sentence each: what audits found, tags of koji whose last sync failed, rebuilds that a person has to
 * look at. Reads the work folder alone; a record that is damaged is a problem that is told (I15).
 */
export async function otherProblems(config: Config, now = new Date()): Promise<string[]> {
  const { work, audit, content, builders } = config;
  const found = await Promise.all([
    audit && auditProblems(work, audit, now),
    content && contentProblems(work, content, now),
    builders?.statement && rebuildProblems({ ...config, builders }),
  ]);
  return found.flatMap((problems) => problems || []);
}

async function auditProblems(work: string, { targets, schedule }: AuditConfig, now: Date): Promise<string[]> {
  const limit = schedule && lateAfter(schedule);
  const each = targets.map(async (target): Promise<string[]> => {
    const report = await readAuditReport(work, target);
    if (!report) return [];
    const age = Math.max(0, Math.round((now.getTime() - Date.parse(report.at)) / 1000));
    const late = limit !== undefined && age > limit ? [`Audit of ${target}: the last was ${formatAge(age)} ago.`] : [];
    if (report.error !== undefined) return [...late, `Audit of ${target}: ${report.error}`];
    const [worst] = report.findings;
    if (!worst) return late;
    const count = formatCount(report.findings.length, 'thing is', 'things are');
    return [...late, `Audit of ${target}: ${count} not as the log has it: ${worst.what}: ${worst.why}`];
  });
  return told(each, 'Audit');
}

async function contentProblems(work: string, content: ContentConfig, now: Date): Promise<string[]> {
  const tags = assignTags(content, await processedTags(work)).assigned;
  const each = tags.map(async ({ tag }): Promise<string[]> => {
    const folder = tagFolder(work, tag);
    await readTagState(folder);
    const failure = await readTagFailure(folder);
    if (!failure) return [];
    const age = formatAge(Math.max(0, Math.round(now.getTime() / 1000) - failure.since));
    return [`Content: ${tag} has failed for ${age}: ${failure.why}`];
  });
  return told(each, 'Content');
}

async function rebuildProblems(config: Parameters<typeof readRebuildList>[0]): Promise<string[]> {
  const list = readRebuildList(config).then(({ disputes, faults }) => {
    const open = disputes.filter((dispute) => dispute.open).length;
    const waiting = formatCount(open, 'dispute waits', 'disputes wait');
    return [
      ...(open === 0 ? [] : [`Rebuilds: ${waiting} for a person: "atomic-nightly disputes".`]),
      ...faults.map(({ message }) => `Rebuilds: ${message}`),
    ];
  });
  return told([list], 'Rebuilds');
}

/** What cannot be looked at is a problem by itself, and hides no other. */
async function told(each: readonly Promise<string[]>[], what: string): Promise<string[]> {
  const found = await Promise.all(
    each.map((one) => one.catch((error: unknown) => [`${what}: ${asNightlyError(error).message}`])),
  );
  return found.flat();
}
