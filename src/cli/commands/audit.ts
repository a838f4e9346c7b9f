import { NightlyError } from '../../base/errors.ts';
import { bytesIfThere, makeFolder } from '../../base/files.ts';
import { formatBytes, formatCount } from '../../base/format.ts';
import { quietTask } from '../../base/task.ts';
import { EXIT } from '../../build/outcomes.ts';
import type { Config } from '../../config/config.ts';
import { durationSeconds } from '../../config/duration.ts';
import { loadConfig } from '../../config/load.ts';
import { type AuditedConfig, auditConfigured } from '../../pipelines/audit.ts';
import { exitCodeFor } from '../../publish/audit/audit-findings.ts';
import { auditStateText, parseAuditState } from '../../publish/audit/audit-ledger.ts';
import { type AuditReport, auditFolder, storedReport } from '../../publish/audit/audit-report.ts';
import { type AuditResult, auditTarget } from '../../publish/audit/audit-target.ts';
import { remember } from '../../publish/verify/keep-evidence.ts';
import { NO_ANSWER_HINT, NoAnswerError, publicFiles } from '../../publish/verify/public-http.ts';
import { tellFindings } from '../../reports/notify/tell-audit.ts';
import { takeRunLock } from '../../run/run-lock.ts';
import { targetsNamed } from '../../run/streams-on.ts';
import type { RunContext } from '../context.ts';
import { defineCommand, usageError } from '../define.ts';
import { flag, optional, text } from '../inputs.ts';
import { checkAge, LOG_TRUST_OPTIONS, readLogTrust } from '../log-trust.ts';
import { type Printer, printJson } from '../print.ts';
import { withSteps } from '../with-steps.ts';

/**
 * `atomic-nightly audit [TARGET|URL]`: compares what is served with the release log; without a target all that the configuration says, and
 * notifies. Gives the exit code.
 */
export const audit = defineCommand({
  name: 'audit',
  section: 'Targets',
  summary: 'compare what is served with the release log, as anybody can: docs/audit.md',
  arguments: {
    target: optional(
      'TARGET|URL',
      'target of the configuration, or the URL of anybody; default: all of the block "audit"',
      'target',
    ),
  },
  options: {
    ...LOG_TRUST_OPTIONS,
    state: text('FILE', 'what was seen at the last audit; needed with a TARGET', { completes: 'file' }),
    fullEvery: text('TIME', 'read every file again after so long; else those that are new in the log', {
      default: '7d',
    }),
    json: flag('for scripts'),
  },
  exitCodes: {
    0: 'what is served is what the log has',
    1: 'changed, missing, unlogged, rolled back, split, or no good log',
    12: 'stale, behind, or too few witnesses',
  },
  notes: 'With a URL it needs no configuration, and should run on a machine of somebody else.',
  examples: [
    'atomic-nightly audit https://buildlogs.example.org/atomic --policy policy --state audit.json --max-age 2d',
    'atomic-nightly audit',
    'atomic-nightly audit buildlogs --log-key lab.example/log+8940af4f+AQOh… --state audit.json --json',
  ],
  interruptible: true,
  async run({ target, logKey, policy, state: file, maxAge, fullEvery, json }, context) {
    const { config, print, signal } = context;
    if (target === undefined) {
      if ([logKey, policy, file, maxAge].some((option) => option !== undefined))
        throw usageError('audit', 'Without a TARGET, what to audit and whom to trust is in the configuration.');
      return auditAll(context, json);
    }
    if (file === undefined) throw usageError('audit', 'Name a file for what was seen with --state.');
    // The state of an audit is one of its own kind.
    const trust = await readLogTrust('audit', { logKey, policy, maxAge, state: undefined });
    if (!trust) throw usageError('audit', 'Name the key of the log with --log-key, or whom to trust with --policy.');
    checkAge('audit', '--full-every', fullEvery);
    const isOurs = !/^https?:\/\//.test(target);
    if (isOurs && /[:/]/.test(target))
      throw usageError('audit', `"${target}" is neither a target nor a URL: one begins with http:// or https://.`);
    const url = !isOurs ? target.replace(/\/+$/, '') : await urlOf(target, config);
    const before = await bytesIfThere(file);
    const request = {
      ...trust,
      ...(before && { state: parseAuditState(before, file) }),
      ...{ url, isOurs, files: publicFiles(url, signal), fullSeconds: durationSeconds(fullEvery) },
    };
    const result = await auditTarget(request, quietTask('/dev/null', signal)).catch((error: unknown) => {
      if (!(error instanceof NoAnswerError)) throw error;
      throw new NightlyError('target-unreachable', `${url} gives no answer: ${error.message}.`, {
        hint: NO_ANSWER_HINT,
        cause: error,
      });
    });
    const text = result.state && auditStateText(result.state);
    const { evidence, unkept } = await remember(file, { evidence: result.evidence, text });
    if (json) printJson(asJson(url, result, evidence), print);
    else printResult(url, result, evidence, print);
    if (unkept) throw unkept;
    return exitCodeFor(result.findings);
  },
});

/** Audits what the configuration says, as the service does. */
async function auditAll(context: RunContext, json: boolean): Promise<number> {
  const config = await loadConfig(context.config);
  if (!isAudited(config)) {
    throw new NightlyError('usage', `${config.path} does not say what to audit: it has no "audit".`, {
      hint: 'Name a TARGET or a URL; or add the block: docs/audit.md.',
    });
  }
  const folder = auditFolder(config.work);
  await makeFolder(folder);
  const lock = await takeRunLock(folder, 'audit');
  try {
    return await withSteps(folder, context, async (runner) => {
      const audited = await auditConfigured(config, runner);
      await tellFindings(config, audited, { say: (line) => process.stderr.write(`${line}\n`), signal: context.signal });
      const reports = audited.map(({ report }) => report);
      if (json) printJson(reports.map(storedReport), context.print);
      else for (const { target, ...report } of reports) context.print(`${target}: ${verdict(report)}`);
      return reports.some(({ error }) => error !== undefined)
        ? EXIT.failed
        : exitCodeFor(reports.flatMap(({ findings }) => findings));
    });
  } finally {
    await lock.release();
  }
}

const GOOD = 'all is as the log has it';
const BAD = 'something is not as the log has it';

function verdict({ ok, error, findings }: Pick<AuditReport, 'ok' | 'error' | 'findings'>): string {
  if (ok) return GOOD;
  if (error === undefined) return BAD;
  return findings.length === 0 ? error : `${BAD}; ${error}`;
}

const isAudited = (config: Config): config is AuditedConfig => config.audit !== undefined;

async function urlOf(name: string, configPath: string): Promise<string> {
  const [target] = targetsNamed(await loadConfig(configPath), name);
  return target?.url ?? '';
}

function asJson(url: string, { findings, entries, read }: AuditResult, evidence: readonly string[]): object {
  return { url, ok: findings.length === 0, entries, read, findings, evidence };
}

function printResult(
  url: string,
  { findings, entries, read }: AuditResult,
  kept: readonly string[],
  print: Printer,
): void {
  for (const { kind, what, why } of findings) print(`${kind}: ${what}: ${why}`);
  for (const path of kept) print(`evidence: ${path}`);
  const size = `${formatCount(entries, 'entry', 'entries')}, ${formatCount(read.files, 'file')} read (${formatBytes(read.bytes)})`;
  print(
    `${url}: ${findings.length === 0 ? GOOD : `${findings.length} ${findings.length === 1 ? 'finding' : 'findings'}`}; ${size}`,
  );
}
