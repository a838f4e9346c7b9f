import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { isSignedBy, parseEnvelope } from '../attest/dsse.ts';
import { provenanceStatement, type Subject } from '../attest/statement.ts';
import { damaged, readRecord, recordFormat } from '../base/read-record.ts';
import { VERSION } from '../base/version.ts';
import type { RebuildResult, RebuiltPackage } from './result.ts';

/** Says what the parameters of a rebuild mean: docs/rebuilds.md. */
export const REBUILD_TYPE = 'urn:atomic-nightly:rebuild:1';

/** Returns the URI of a builder: who answers for it, and which of its machines. */
export const builderUri = ({ operator, builder }: Pick<RebuildResult, 'operator' | 'builder'>): string =>
  `urn:atomic-nightly:builder:${operator}:${builder}`;

/** Names a package by its file before it was signed, and by its header, which a signature does not change. */
export const packageSubject = ({ file, sha256, header }: RebuiltPackage): Subject => ({
  name: file,
  digest: { sha256, 'rpm-header-sha256': header },
});

/**
 * Returns the in-toto statement of a build on a machine of somebody else, with SLSA provenance, version 1: signed by whoever had it
 * built, with the signature of the builder in it. That a build failed is stated as well: its subject is the log.
 */
export function rebuildStatement(result: RebuildResult): Buffer {
  const { source, root, arch, job, probe, log, packages, signature, startedAt, finishedAt } = result;
  const subjects = packages.map(packageSubject);
  return provenanceStatement({
    buildType: REBUILD_TYPE,
    subjects: subjects.length > 0 ? subjects : [{ name: 'log', digest: { sha256: log.sha256 } }],
    externalParameters: { source: source.nevra, arch, scratch: result.scratch },
    internalParameters: { outcome: result.outcome },
    dependencies: [
      { name: `${source.nevra}.rpm`, digest: { sha256: source.sha256 } },
      { name: 'build-root', uri: `ostree:${root}`, digest: { sha256: root } },
    ],
    builder: builderUri(result),
    versions: { 'atomic-nightly': VERSION },
    invocation: job,
    startedOn: new Date(startedAt * 1000).toISOString(),
    finishedOn: new Date(finishedAt * 1000).toISOString(),
    byproducts: [
      { name: 'log', digest: { sha256: log.sha256 } },
      { name: 'probe', digest: { sha256: probe } },
      { name: 'signature-of-builder', annotations: { signature } },
    ],
  });
}

const FORMAT = recordFormat({
  schema: z.looseObject({
    subject: z.array(z.looseObject({ name: z.string(), digest: z.record(z.string(), z.string()) })),
    predicate: z.looseObject({
      runDetails: z.looseObject({
        builder: z.looseObject({ id: z.string() }),
        metadata: z.looseObject({ invocationId: z.string() }),
      }),
    }),
  }),
  hint: 'The result does not count: have the package rebuilt.',
});

/**
 * Verifies that our key signed the statement of a result, and that it says what the record says.
 * @throws NightlyError `record` when the statement is damaged, of another key, or about something else.
 */
export async function verifyRebuildStatement(
  line: string,
  result: RebuildResult,
  key: KeyObject,
  place: string,
): Promise<void> {
  const envelope = parseEnvelope(Buffer.from(line), place);
  if (!(await isSignedBy(envelope, key))) throw damaged(place, 'it is not signed by our key', FORMAT.hint);
  // What this version would state is about the result, word for word.
  if (envelope.payload.equals(rebuildStatement(result))) return;
  const { subject, predicate } = readRecord(envelope.payload, FORMAT, place);
  const { builder, metadata } = predicate.runDetails;
  const stated = new Set(subject.map(({ name, digest }) => `${name} ${digest['rpm-header-sha256']}`));
  const isSame =
    metadata.invocationId === result.job &&
    builder.id === builderUri(result) &&
    (result.packages.length === 0 || stated.size === result.packages.length) &&
    result.packages.every(({ file, header }) => stated.has(`${file} ${header}`));
  if (!isSame) throw damaged(place, 'it is about another result than the one on record', FORMAT.hint);
}
