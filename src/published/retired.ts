import { z } from 'zod';
import { type RecordFormat, recordFormat } from '../base/read-record.ts';
import { buildId, instant, isBuildFolder, refName, sha256Hex } from '../build/record-values.ts';

/** What pruning remembers on a target between two runs. */
export const RETIRED_PATH = 'builds/retired.json';

export interface RetiredFile {
  /** Given up, by checksum; removed after the grace period. All that is needed to go on after a kill is here. */
  readonly commits: Readonly<Record<string, RetiredCommit>>;
  /** Commits that stay although a younger one of their ref went, so that no walk finds them; with that ref. */
  readonly apart: Readonly<Record<string, string>>;
  /** Keyed by `ID/ARCH`: when images and logs of builds that the index still names were removed (RFC 3339, UTC). */
  readonly builds: Readonly<Record<string, { readonly images?: string; readonly logs?: string }>>;
}

export interface RetiredCommit {
  /** The ref that had it in its history. */
  readonly ref: string;
  readonly version?: string | undefined;
  /** The commit's time, seconds since the epoch. */
  readonly timestamp: number;
  /** When it was given up: RFC 3339, UTC. */
  readonly since: string;
  /** Checksums of its root folder's dirtree and dirmeta. */
  readonly tree: string;
  readonly meta: string;
}

const build = z.string().refine(isBuildFolder, 'must be a build id and an architecture');

const HINT = 'Put it back from a backup; nothing was removed.';

export const RETIRED: RecordFormat<Partial<RetiredFile>> = recordFormat({
  schema: z.looseObject({
    commits: z
      .record(
        sha256Hex,
        z.looseObject({
          // Empty: no history had it any more.
          ref: z.union([z.literal(''), refName]),
          version: z.string().exactOptional(),
          timestamp: z.number(),
          since: instant,
          tree: sha256Hex,
          meta: sha256Hex,
        }),
      )
      .exactOptional(),
    apart: z.record(sha256Hex, refName).exactOptional(),
    builds: z
      .record(build, z.looseObject({ images: instant.exactOptional(), logs: instant.exactOptional() }))
      .exactOptional(),
  }),
  hint: HINT,
});

/** Commits that a release was made of; written by promotion. */
export const PROMOTED_PATH = 'builds/promoted.json';

export interface PromotedFile {
  readonly commits: Readonly<Record<string, { readonly build?: string; readonly release?: string }>>;
}

export const PROMOTED: RecordFormat<PromotedFile> = recordFormat({
  schema: z.looseObject({
    commits: z.record(
      sha256Hex,
      z.looseObject({ build: buildId.exactOptional(), release: z.string().exactOptional() }),
    ),
  }),
  hint: HINT,
});
