import { basename } from 'node:path';
import { asNightlyError } from '../base/as-nightly-error.ts';
import { NightlyError } from '../base/errors.ts';
import { bytesIfThere, makeFolder } from '../base/files.ts';
import { formatBytes, formatCount } from '../base/format.ts';
import type { Task } from '../base/task.ts';
import { type AuditConfig, isAuditUrl } from '../config/audit.ts';
import type { Config } from '../config/config.ts';
import { parseVkey } from '../log/note-keys.ts';
import { type Policy, parsePolicy } from '../log/policy.ts';
import { auditStateText, parseAuditState } from '../publish/audit/audit-ledger.ts';
import {
  type AuditReport,
  auditFolder,
  auditName,
  auditStatePath,
  readAuditReport,
  writeAuditReport,
} from '../publish/audit/audit-report.ts';
import { auditTarget } from '../publish/audit/audit-target.ts';
import { remember } from '../publish/verify/keep-evidence.ts';
import { NoAnswerError, publicFiles } from '../publish/verify/public-http.ts';
import type { Runner } from '../run/runner.ts';

/** A configuration that says what is to be audited. */
export type AuditedConfig = Config & { readonly audit: AuditConfig };

/** What an audit found, and what the one before did. */
export interface Audited {
  readonly report: AuditReport;
  readonly before: AuditReport | undefined;
}

/**
 * Compares what each target of the `audit` block serves with its log, a step each; one that gives no answer does not stop the others. What
 * was found is kept in the work folder, for pages and metrics.
 * @throws NightlyError `config`, `log` when it cannot be known whom to trust.
 */
export async function auditConfigured(config: AuditedConfig, runner: Runner): Promise<Audited[]> {
  const policy = await policyOf(config);
  await makeFolder(auditFolder(config.work));
  const audited: Audited[] = [];
  for (const target of config.audit.targets) {
    const step = isAuditUrl(target) ? auditName(target) : `audit-${target}`;
    const before = await readAuditReport(config.work, target).catch(() => undefined);
    const report = await runner.step(step, {}, async (task) => {
      const found = await auditOne(config, { target, policy, before }, task);
      try {
        await writeAuditReport(config.work, found);
        return found;
      } catch (error) {
        // What was found is told, whatever becomes of the report.
        return { ...found, ok: false, error: found.error ?? messageOf(error) };
      }
    });
    audited.push({ report, before });
  }
  return audited;
}

async function policyOf({ audit, log }: AuditedConfig): Promise<Policy> {
  if (audit.logKey !== undefined) {
    const key = parseVkey(audit.logKey, { file: 'audit.log-key' });
    if (key.type === 'ed25519') return { logs: [{ key }], witnesses: [], quorum: { kind: 'none' } };
    throw new NightlyError('config', `audit.log-key ${audit.logKey} is the key of a witness.`, {
      hint: '"atomic-nightly log show" prints the key of the log.',
    });
  }
  const file = audit.policy ?? log?.policy ?? '';
  const content = await bytesIfThere(file);
  if (content !== undefined) return parsePolicy(content, { file });
  throw new NightlyError('config', `The policy ${file} is not there.`, {
    hint: 'Correct "audit.policy" in the configuration, or put the file there: docs/audit.md.',
  });
}

interface Order {
  readonly target: string;
  readonly policy: Policy;
  readonly before: AuditReport | undefined;
}

async function auditOne(config: AuditedConfig, { target, policy, before }: Order, task: Task): Promise<AuditReport> {
  const { work, targets, audit } = config;
  const url = isAuditUrl(target) ? target.replace(/\/+$/, '') : (targets[target]?.url ?? '');
  const file = auditStatePath(work, target);
  const at = new Date().toISOString();
  const about = { version: 1 as const, target, url, at };
  try {
    const state = await bytesIfThere(file);
    const { fullSeconds, maxAgeSeconds } = audit;
    const result = await auditTarget(
      {
        ...{ url, files: publicFiles(url, task.signal), policy, fullSeconds, isOurs: !isAuditUrl(target) },
        ...(state && { state: parseAuditState(state, file) }),
        ...(maxAgeSeconds !== undefined && { maxAgeSeconds }),
      },
      task,
    );
    const text = result.state && auditStateText(result.state);
    const { evidence, unkept } = await remember(file, { evidence: result.evidence, text });
    const { findings, entries, read } = result;
    for (const { kind, what, why } of findings) task.say(`${kind}: ${what}: ${why}`);
    task.say(
      `${url}: ${formatCount(entries, 'entry', 'entries')}, ${formatCount(read.files, 'file')} read (${formatBytes(read.bytes)})`,
    );
    const ok = findings.length === 0 && !unkept;
    const goodAt = ok ? at : before?.goodAt;
    const found = { ok, entries, read, findings: [...findings], evidence: evidence.map((path) => basename(path)) };
    return { ...about, ...found, ...(unkept && { error: messageOf(unkept) }), ...(goodAt !== undefined && { goodAt }) };
  } catch (caught) {
    task.signal.throwIfAborted();
    const why = caught instanceof NoAnswerError ? `${url} gives no answer: ${caught.message}` : messageOf(caught);
    task.say(why);
    const last = before && { entries: before.entries, findings: before.findings, evidence: before.evidence };
    const nothing = { entries: 0, findings: [], evidence: [] };
    const goodAt = before?.goodAt;
    const read = { files: 0, bytes: 0 };
    return { ...about, ok: false, ...(last ?? nothing), read, error: why, ...(goodAt !== undefined && { goodAt }) };
  }
}

/** What is a fault of ours is thrown on. */
function messageOf(caught: unknown): string {
  const error = asNightlyError(caught);
  if (error.code === 'bug' || error.code === 'interrupted') throw error;
  return [error.message, error.hint ?? ''].join(' ').trim();
}
