import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';
import { readTextIfExists, sha256, sha256File, writeFileAtomic } from '../../base/files.ts';
import { formatCount } from '../../base/format.ts';
import { FORMATS } from '../../base/format-versions.ts';
import { readRecord, recordFormat, recordText } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { sha256Hex } from '../../build/record-values.ts';
import { askTpm } from '../../builders/ask-tpm.ts';
import type { FarMachine } from '../../builders/far-machine.ts';
import { baselineOf, judgeProbe, type ProbeFinding } from '../../builders/judge-probe.ts';
import type { KnownGood } from '../../builders/known-file.ts';
import { parseProbe } from '../../builders/probe-report.ts';
import { staticBusybox } from '../../builders/static-busybox.ts';
import { recordCheck } from '../../rebuild/builder-ledger.ts';

export const BASELINE = recordFormat({
  version: FORMATS['baseline of a builder'],
  schema: z.looseObject({
    'baseline-version': z.literal(FORMATS['baseline of a builder'].newest),
    'command-line': z.string(),
    'security-modules': z.string(),
    'pcr-digest': sha256Hex.exactOptional(),
  }),
  hint: 'Remove it once you have looked at the machine: its next check writes it anew.',
});

/** What a check of a machine came to. */
export interface Verdict {
  /** The verdict as it is kept with a job. */
  readonly text: string;
  /** SHA-256 of that. */
  readonly digest: string;
  readonly findings: readonly ProbeFinding[];
}

/**
 * Compares what is installed on a machine and what runs there with what is known to be good. A machine whose check has no findings
 * for the first time is the measure for its later ones in what no package states: kernel command line, security modules, and what
 * its TPM has measured where one is asked.
 * @throws NightlyError `builder-unreachable`, `gate-failed` for a report that cannot be read.
 */
export async function checkMachine(
  machine: FarMachine,
  { work, known: wanted }: { readonly work: string; readonly known: () => Promise<KnownGood> },
  task: Task,
): Promise<Verdict> {
  const { name } = machine.config;
  const [packed, known] = await Promise.all([machine.call('probe', [], task, { stallSeconds: 300 }), wanted()]);
  const unpacked = unpackReport(packed, name);
  const report = parseProbe(unpacked, name);
  const path = join(work, 'builders', name, 'baseline.json');
  const stored = await readTextIfExists(path);
  const baseline = stored === undefined ? undefined : readRecord(stored, BASELINE, path);
  const trusted = new Set([await sha256File(await staticBusybox())]);
  const quoted = await askTpm(machine, sha256(unpacked), baseline?.pcrDigest, task);
  const findings = [...judgeProbe(report, known, { baseline, trusted }), ...quoted.findings];
  const { pcrDigest = baseline?.pcrDigest } = quoted;
  if (findings.length === 0 && (baseline === undefined || baseline.pcrDigest !== pcrDigest)) {
    const first = { baselineVersion: 1 as const, ...baselineOf(report), ...(pcrDigest && { pcrDigest }) };
    await writeFileAtomic(path, recordText(first, BASELINE));
  }
  const verdict = {
    'verdict-version': 1,
    machine: name,
    'checked-at': new Date().toISOString(),
    report: sha256(unpacked),
    kernel: report.kernel,
    files: report.files.size,
    processes: report.processes.length,
    ...(quoted.pcrDigest && { 'pcr-digest': quoted.pcrDigest }),
    findings,
  };
  const text = `${JSON.stringify(verdict, null, 2)}\n`;
  const faults = findings.map(({ message }) => message);
  const at = Math.floor(Date.now() / 1000);
  await recordCheck(work, name, { at, ok: findings.length === 0, probe: sha256(text), faults });
  task.say(
    `${name}: ${formatCount(report.files.size, 'file')}, ${formatCount(report.processes.length, 'process', 'processes')}, ${formatCount(findings.length, 'finding')}`,
  );
  return { text, digest: sha256(text), findings };
}

/** So many findings are named in one message; all are in the verdict. */
const NAMED = 10;

/** Refuses a machine that is not as it should be. @throws NightlyError `gate-failed` naming what is wrong with it. */
export function requirePassed(name: string, { findings }: Verdict): void {
  if (findings.length === 0) return;
  const shown = findings.slice(0, NAMED).map(({ message }) => `  ${message}`);
  const more = findings.length > NAMED ? [`  and ${findings.length - NAMED} more`] : [];
  throw new NightlyError(
    'gate-failed',
    [`${name} is refused; nothing of a job was sent there:`, ...shown, ...more].join('\n'),
    {
      hint: 'Ask its operator. What is right although no package says so must come in a package of known-good repositories.',
    },
  );
}

/** A report of a real machine is below it. */
const MOST_BYTES = 1 << 29;

function unpackReport(packed: Buffer, name: string): string {
  try {
    return gunzipSync(packed, { maxOutputLength: MOST_BYTES }).toString('utf8');
  } catch (error) {
    throw new NightlyError('gate-failed', `${name} is refused: its report cannot be unpacked.`, { cause: error });
  }
}
