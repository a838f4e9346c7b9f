import { formatAge, formatCount } from '../base/format.ts';
import type { AuditConfig } from '../config/audit.ts';
import type { Config, ContentConfig } from '../config/config.ts';
import { assignTags } from '../content/assign-tags.ts';
import { readTagFailure } from '../content/tag-failure.ts';
import { processedTags, readTagState, tagFolder } from '../content/tag-state.ts';
import { readAuditReport } from '../publish/audit/audit-report.ts';
import { readRebuildList } from '../rebuild/rebuild-list.ts';
import { type Problem, problemOf } from './problem.ts';
import { lateAfter } from './schedule.ts';

/**
 * What is wrong beside builds: what audits found, tags of koji whose last sync failed, rebuilds that a person has to
 * look at. Reads the work folder alone; a record that is damaged is a problem that is told (I15).
 */
export async function otherProblems(config: Config, now = new Date()): Promise<Problem[]> {
  const { work, audit, content, builders } = config;
  const found = await Promise.all([
    audit && auditProblems(work, audit, now),
    content && contentProblems(work, content, now),
    builders?.statement && rebuildProblems({ ...config, builders }),
  ]);
  return found.flatMap((problems) => problems || []);
}

async function auditProblems(work: string, { targets, schedule }: AuditConfig, now: Date): Promise<Problem[]> {
  const limit = schedule && lateAfter(schedule);
  const each = targets.map(async (target): Promise<Problem[]> => {
    const report = await readAuditReport(work, target);
    if (!report) return [];
    const age = Math.max(0, Math.round((now.getTime() - Date.parse(report.at)) / 1000));
    const again = `"atomic-nightly audit ${target}" audits it again`;
    const late: Problem[] =
      limit !== undefined && age > limit
        ? [
            {
              problem: `Audit of ${target}: the last was ${formatAge(age)} ago.`,
              nextStep: `${again}; look whether "atomic-nightly serve" runs.`,
            },
          ]
        : [];
    if (report.error !== undefined)
      return [...late, { problem: `Audit of ${target}: ${report.error}`, nextStep: `${again}, once that is mended.` }];
    const [worst] = report.findings;
    if (!worst) return late;
    const count = formatCount(report.findings.length, 'thing is', 'things are');
    const nextStep = `The page audit/ of the service lists them; docs/audit.md says what each means. ${again}.`;
    return [
      ...late,
      { problem: `Audit of ${target}: ${count} not as the log has it: ${worst.what}: ${worst.why}`, nextStep },
    ];
  });
  return told(each, 'Audit');
}

async function contentProblems(work: string, content: ContentConfig, now: Date): Promise<Problem[]> {
  const tags = assignTags(content, await processedTags(work)).assigned;
  const each = tags.map(async ({ tag }): Promise<Problem[]> => {
    const folder = tagFolder(work, tag);
    await readTagState(folder);
    const failure = await readTagFailure(folder);
    if (!failure) return [];
    const age = formatAge(Math.max(0, Math.round(now.getTime() / 1000) - failure.since));
    return [{ problem: `Content: ${tag} has failed for ${age}: ${failure.why}`, nextStep: tagStep(tag) }];
  });
  return told(each, 'Content');
}

/** Returns what to do about a tag of koji that is not published as it is there. */
export const tagStep = (tag: string): string =>
  `"atomic-nightly content show ${tag}" shows what was published last; "atomic-nightly content sync ${tag}" tries again.`;

const DISPUTE_STEP =
  '"atomic-nightly disputes show ID" shows what differs; "atomic-nightly disputes resolve ID" records the decision.';

async function rebuildProblems(config: Parameters<typeof readRebuildList>[0]): Promise<Problem[]> {
  const list = readRebuildList(config).then(({ disputes, faults }) => {
    const open = disputes.filter((dispute) => dispute.open).length;
    const waiting = formatCount(open, 'dispute waits', 'disputes wait');
    return [
      ...(open === 0
        ? []
        : [{ problem: `Rebuilds: ${waiting} for a person: "atomic-nightly disputes".`, nextStep: DISPUTE_STEP }]),
      ...faults.map((fault) => problemOf(fault, 'Rebuilds: ')),
    ];
  });
  return told([list], 'Rebuilds');
}

/** What cannot be looked at is a problem by itself, and hides no other. */
async function told(each: readonly Promise<Problem[]>[], what: string): Promise<Problem[]> {
  const found = await Promise.all(each.map((one) => one.catch((error: unknown) => [problemOf(error, `${what}: `)])));
  return found.flat();
}
