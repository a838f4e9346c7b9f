import { z } from 'zod';
import { FORMATS } from '../base/format-versions.ts';
import { type RecordFormat, type RecordOf, recordFormat } from '../base/read-record.ts';
import { sha256Hex } from '../build/record-values.ts';

/** 128 random bits in hex. It says nothing of the kind of a job, so that a duplicate looks like any other. */
export const jobId = z.string().regex(/^[0-9a-f]{32}$/, 'must be 32 hexadecimal digits');

/** The name of a package file: what comes from a builder must not become a path. */
export const packageFile = z
  .string()
  .max(250)
  .regex(/^[A-Za-z0-9][\w.+~^-]*\.rpm$/, 'must be the name of an RPM file');

const seconds = z.int().min(0);

const rebuiltPackage = z.looseObject({
  file: packageFile,
  /** `name-[epoch:]version-release.arch` */
  nevra: z.string().min(1),
  /** SHA-256 of the immutable header, recomputed from the file: what a package is, whoever signs it later. */
  header: sha256Hex,
  sha256: sha256Hex,
  size: z.int().min(1),
});

/**
 * What became of one job on one builder (`work/rebuild/jobs/JOB/result.json`). All of it was measured here: nothing that
 * the builder says of itself is in it but its signature.
 */
export const RESULT = recordFormat({
  version: FORMATS.result,
  schema: z.looseObject({
    'result-version': z.literal(FORMATS.result.newest),
    job: jobId,
    source: z.looseObject({ nevra: z.string().min(1), sha256: sha256Hex }),
    builder: z.string().min(1),
    operator: z.string().min(1),
    /** Commit of the build root. */
    root: sha256Hex,
    arch: z.string().min(1),
    scratch: z.boolean(),
    /** The job it is a duplicate of; kept here, never told to the builder. */
    'duplicate-of': jobId.exactOptional(),
    /** Seconds since 1970, by the clock of this machine. */
    'started-at': seconds,
    'finished-at': seconds,
    outcome: z.enum(['built', 'failed']),
    packages: z.array(rebuiltPackage),
    /** The log of the attempt, relative to the folder of the job. */
    log: z.looseObject({ path: z.string().min(1), sha256: sha256Hex }),
    /** SHA-256 of the verdict on the machine before the job was sent (`probe.json`). */
    probe: sha256Hex,
    /** ECDSA P-256 in DER, base64, over `signedText`. */
    signature: z.base64(),
  }),
  hint: 'The job has to be run again; its packages are not used.',
}) satisfies RecordFormat<unknown>;

/** What became of one job on one builder. */
export type RebuildResult = RecordOf<typeof RESULT>;

/** One package of a result, as it was read from the file. */
export type RebuiltPackage = RebuildResult['packages'][number];

/**
 * Returns the text that a builder signs for its result, before it knows whether another has to build the same: the job, and the
 * SHA-256 of each package file, sorted. A failed build has none.
 */
export function signedText(job: string, digests: readonly string[]): string {
  return ['atomic-nightly-result v1', job, ...[...digests].sort(), ''].join('\n');
}
