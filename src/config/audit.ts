import { z } from 'zod';
import { didYouMean } from '../base/nearest.ts';
import { block, type Here } from './block.ts';
import type { Breach } from './breach.ts';
import type { WrittenLog } from './log.ts';
import { scheduleSchema } from './schedule.ts';
import { age, filePath } from './values.ts';

/** Makes the schema of the `audit` block. */
export const auditSchema = (here: Here) =>
  block(
    {
      targets: z
        .array(z.string())
        .min(1, 'needs at least one target or URL')
        .describe('What is audited: targets of the configuration, and URLs of others that have a log.'),
      policy: filePath(here)
        .optional()
        .describe(
          'Whom to trust (c2sp.org/tlog-policy): all logs in question, and their witnesses; default: that of the log.',
        ),
      'log-key': z.string().optional().describe('Public key of the log, where it has no witnesses.'),
      schedule: scheduleSchema.optional().describe('When "serve" runs an audit; without it, only the command does.'),
      everything: age
        .prefault('7d')
        .describe('How often every file is read again; else those that are new in the log.'),
      'max-age': age.optional().describe('How old the newest cosignature of a witness may be.'),
    },
    { everything: 'fullSeconds', 'max-age': 'maxAgeSeconds' },
  );

/** What is compared with its log, how often, and whom to trust about it. */
export type AuditConfig = z.output<ReturnType<typeof auditSchema>>;

/** Whether what is to be audited is a URL rather than a target of the configuration. */
export const isAuditUrl = (target: string): boolean => /^https?:\/\/[^\s/]/.test(target);

interface Parts {
  /** Undefined when there is none, or it has a fault of its own. */
  readonly audit: AuditConfig | undefined;
  readonly log: WrittenLog | undefined;
  readonly targetNames: readonly string[];
}

/** Returns what is wrong with the audits that depends on more than one value. */
export function checkAudit({ audit, log, targetNames }: Parts): Breach[] {
  if (audit === undefined) return [];
  const breaches: Breach[] = [];
  const add = (path: readonly (string | number)[], message: string) =>
    breaches.push({ path: ['audit', ...path], message });
  for (const [index, name] of audit.targets.entries()) {
    if (audit.targets.indexOf(name) !== index) add(['targets', index], `"${name}" is named twice.`);
    if (isAuditUrl(name) || targetNames.includes(name)) continue;
    const known = didYouMean(name, targetNames) || ` Targets here: ${targetNames.join(', ')}.`;
    add(['targets', index], `there is no target "${name}", and it is no URL.${known}`);
  }
  if (audit.policy === undefined && audit.logKey === undefined && log?.policy === undefined) {
    add([], 'needs a policy or a log-key, to know whom to trust; "atomic-nightly log show" prints the key.');
  }
  if (audit.policy !== undefined && audit.logKey !== undefined) {
    add(['log-key'], 'is one too many: the policy names the keys of logs.');
  }
  return breaches;
}

export const auditTemplate = `
# Compares what is served with the log, as anybody can (docs/audit.md): "serve" on the schedule, and "atomic-nightly audit".
# audit:
#   targets: [buildlogs, 'https://mirror.example.org/atomic']
#   policy: /etc/atomic-nightly/log-policy
#   schedule: {cron: '17 * * * *'}
#   everything: 7d               # how often every file is read again
#   max-age: 2d                  # how old the newest cosignature may be
`;
