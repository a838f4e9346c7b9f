import type { KeyObject } from 'node:crypto';
import { appendFile, open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isSignedBy, parseEnvelope } from '../attest/dsse.ts';
import { STATEMENT, statementBytes } from '../attest/statement.ts';
import { NightlyError } from '../base/errors.ts';
import { readTextIfExists } from '../base/files.ts';
import { damaged, readRecord, recordFormat } from '../base/read-record.ts';
import { type Dispute, disputeFolder } from './dispute-record.ts';
import { jobId } from './result.ts';

/** What a person may find. */
export const VERDICTS = ['tampered', 'not-reproducible', 'environment'] as const;

export type VerdictKind = (typeof VERDICTS)[number];

const VERDICT_TYPE = 'urn:atomic-nightly:rebuild-verdict:1';
const hash = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hex');

const predicate = z.strictObject({
  dispute: z.string().regex(/^[0-9a-f]{12}$/, 'must be 12 hexadecimal digits'),
  verdict: z.enum(VERDICTS),
  /** Builders whose results are the wrong ones; none: neither side counts, or both do. */
  builders: z.array(z.string().min(1)),
  /** What they made (`fingerprintOf`), and the jobs that made it: void from now on. */
  fingerprints: z.array(hash),
  jobs: z.array(jobId),
  by: z.string().min(1),
  note: z.string().min(1),
  /** Seconds since 1970. */
  at: z.int().min(0),
});

/** What a person says of a dispute, and what follows from it. */
export type Verdict = z.output<typeof predicate>;

const FORMAT = recordFormat({
  schema: z.strictObject({
    _type: z.literal(STATEMENT),
    subject: z.array(z.strictObject({ name: z.string(), digest: z.record(z.string(), z.string()) })).min(1),
    predicateType: z.literal(VERDICT_TYPE),
    predicate,
  }),
  hint: 'It does not count, and the dispute is open: resolve it again.',
});

/** Returns the in-toto statement of a verdict. It is about what both sides made. */
export function verdictStatement(verdict: Verdict, { packages, source }: Dispute): Buffer {
  const headers = packages.flatMap(({ package: name, one, other }) =>
    [one, other].flatMap((header) => (header === undefined ? [] : [{ name, digest: { 'rpm-header-sha256': header } }])),
  );
  const subject = headers.length > 0 ? headers : [{ name: source.nevra, digest: { sha256: source.sha256 } }];
  return statementBytes(subject, VERDICT_TYPE, verdict);
}

/** Where the verdicts are, in the folder of a dispute. */
export const VERDICTS_FILE = 'verdicts.intoto.jsonl';

const verdictsPath = (work: string, dispute: string): string => join(disputeFolder(work, dispute), VERDICTS_FILE);

/** Adds a signed verdict to those of a dispute; none is ever taken away. @param line an envelope with its line break */
export async function addVerdict(work: string, dispute: string, line: string): Promise<void> {
  const path = verdictsPath(work, dispute);
  // What a kill left of a line must not spoil the next one.
  const before = (await readTextIfExists(path)) ?? '';
  await appendFile(path, before === '' || before.endsWith('\n') ? line : `\n${line}`);
  const file = await open(path, 'r');
  await file.sync().finally(() => file.close());
}

/** The verdicts of a dispute, oldest first, and what is wrong with the lines that do not count. */
export interface SignedVerdicts {
  readonly verdicts: readonly Verdict[];
  readonly faults: readonly NightlyError[];
}

/**
 * Reads the verdicts of a dispute. A line that is damaged, or that the key did not sign, does not count: the dispute is open then.
 * @param key whose signatures count
 */
export async function readVerdicts(work: string, dispute: string, key: KeyObject): Promise<SignedVerdicts> {
  const path = verdictsPath(work, dispute);
  const [verdicts, faults]: [Verdict[], NightlyError[]] = [[], []];
  for (const [index, line] of ((await readTextIfExists(path)) ?? '').split('\n').entries()) {
    if (line === '') continue;
    try {
      verdicts.push(await readVerdict(line, { dispute, key, place: `${path}:${index + 1}` }));
    } catch (error) {
      if (!(error instanceof NightlyError)) throw error;
      faults.push(error);
    }
  }
  return { verdicts, faults };
}

async function readVerdict(
  line: string,
  { dispute, key, place }: { readonly dispute: string; readonly key: KeyObject; readonly place: string },
): Promise<Verdict> {
  const envelope = parseEnvelope(Buffer.from(line), place);
  if (!(await isSignedBy(envelope, key))) throw damaged(place, 'it is not signed by our key', FORMAT.hint);
  const { predicate: verdict } = readRecord(envelope.payload, FORMAT, place);
  if (verdict.dispute !== dispute) throw damaged(place, `it is about dispute ${verdict.dispute}`, FORMAT.hint);
  return verdict;
}
