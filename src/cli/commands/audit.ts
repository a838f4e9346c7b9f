import { readFile } from 'node:fs/promises';
import { NightlyError } from '../../base/errors.ts';
import { ifThere, writeFileAtomic } from '../../base/files.ts';
import { formatBytes } from '../../base/format.ts';
import { quietTask } from '../../base/task.ts';
import { durationSeconds } from '../../config/duration.ts';
import { loadConfig } from '../../config/load.ts';
import { exitCodeFor } from '../../publish/audit/audit-findings.ts';
import { auditStateText, parseAuditState } from '../../publish/audit/audit-ledger.ts';
import { type AuditResult, auditTarget } from '../../publish/audit/audit-target.ts';
import { NO_ANSWER_HINT, NoAnswerError, publicFiles } from '../../publish/verify/public-http.ts';
import { targetsNamed } from '../../run/streams-on.ts';
import { defineCommand, usageError } from '../define.ts';
import { flag, needed, text } from '../inputs.ts';
import { checkAge, keepEvidence, LOG_TRUST_OPTIONS, readLogTrust } from '../log-trust.ts';
import { type Printer, printJson } from '../print.ts';

/** `atomic-nightly audit TARGET|URL`: compares what is served with the release log. Gives the exit code. */
export const audit = defineCommand({
  name: 'audit',
  section: 'Targets',
  summary: 'compare what is served with the release log, as anybody can: docs/audit.md',
  arguments: { target: needed('TARGET|URL', 'target of the configuration, or the URL of anybody', 'target') },
  options: {
    ...LOG_TRUST_OPTIONS,
    state: text('FILE', 'what was seen at the last audit', { required: true, completes: 'file' }),
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
    'atomic-nightly audit buildlogs --log-key lab.example/log+37d63fe0+AQOh… --state audit.json --json',
  ],
  interruptible: true,
  async run({ target, logKey, policy, state: file, maxAge, fullEvery, json }, { config, print, signal }) {
    // The state of an audit is one of its own kind.
    const trust = await readLogTrust('audit', { logKey, policy, maxAge, state: undefined });
    if (!trust) throw usageError('audit', 'Name the key of the log with --log-key, or whom to trust with --policy.');
    checkAge('audit', '--full-every', fullEvery);
    const url = /^https?:\/\//.test(target) ? target.replace(/\/+$/, '') : await urlOf(target, config);
    const before = await ifThere(readFile(file));
    const request = {
      ...trust,
      ...(before && { state: parseAuditState(before, file) }),
      ...{ url, files: publicFiles(url, signal), fullSeconds: durationSeconds(fullEvery) },
    };
    const result = await auditTarget(request, quietTask('/dev/null', signal)).catch((error: unknown) => {
      if (!(error instanceof NoAnswerError)) throw error;
      throw new NightlyError('target-unreachable', `${url} gives no answer: ${error.message}.`, {
        hint: NO_ANSWER_HINT,
        cause: error,
      });
    });
    const kept = result.evidence ? await keepEvidence(file, result.evidence) : [];
    if (result.state) await writeFileAtomic(file, auditStateText(result.state));
    if (json) printJson(asJson(url, result, kept), print);
    else printResult(url, result, kept, print);
    return exitCodeFor(result.findings);
  },
});

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
  const size = `${entries} entries, ${read.files} files read (${formatBytes(read.bytes)})`;
  print(
    `${url}: ${findings.length === 0 ? 'all is as the log has it' : `${findings.length} ${findings.length === 1 ? 'finding' : 'findings'}`}; ${size}`,
  );
}
