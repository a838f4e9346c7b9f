import { z } from 'zod';
import { type RecordFormat, recordFormat } from '../base/read-record.ts';
import { architecture, buildId } from '../build/record-values.ts';

/** Where a target names its builds. */
export const INDEX_PATH = 'builds/builds.json';

/** A build that a target names. */
export interface IndexEntry {
  readonly id: string;
  readonly arches: readonly string[];
  /** Set for a nightly build that was taken back: by which build, and why. Not coreos-assembler's. */
  readonly retracted?: { readonly by: string; readonly reason: string };
}

/** `builds.json` as coreos-assembler writes it (schema-version 1.0.0), newest first. */
export interface BuildIndex {
  /** An index with another version is refused. */
  readonly schemaVersion?: '1.0.0';
  readonly builds: readonly IndexEntry[];
  /** RFC 3339, UTC. */
  readonly timestamp: string;
}

/** Builds that are plain strings, as coreos-assembler wrote them before its schema 1.0.0, are refused: their architectures are not known. */
export const BUILD_INDEX: RecordFormat<BuildIndex> = recordFormat({
  schema: z.looseObject({
    'schema-version': z.literal('1.0.0').exactOptional(),
    builds: z.array(
      z.looseObject(
        {
          id: buildId,
          arches: z.array(architecture),
          retracted: z.looseObject({ by: buildId, reason: z.string() }).exactOptional(),
        },
        'must be a build with "id" and "arches"; plain ids are of a coreos-assembler before schema 1.0.0',
      ),
    ),
    timestamp: z.string(),
  }),
  hint: 'Put it back from a backup, or move it away: "atomic-nightly publish --reconcile" then writes it from the records that are there.',
});
