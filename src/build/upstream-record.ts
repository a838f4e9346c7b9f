import { join } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { readTextIfExists, writeFileAtomic } from '../base/files.ts';
import { FORMATS } from '../base/format-versions.ts';
import { type RecordOf, readRecord, recordFormat, recordText } from '../base/read-record.ts';
import { UPSTREAM_FILE } from './build-files.ts';
import type { BuildPaths } from './build-store.ts';
import { buildId, instant, refName, sha256Hex, word } from './record-values.ts';

const line = z.string().min(1).max(500);
const other = z.strictObject({ name: line, ours: line, upstream: line });
const names = z.array(line);
const onlyIn = z.strictObject({ missing: names, extra: names });
const sides = z.strictObject({ ours: line.exactOptional(), upstream: line.exactOptional() });

const schema = z.strictObject({
  version: z.literal([1, FORMATS['distance from upstream'].newest]),
  build: buildId,
  at: instant,
  /** The upstream release that the promotion maps to. */
  release: line.exactOptional(),
  /** What it was compared with: a commit, the digest of a list, or a build. */
  source: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('ref'), repo: line, ref: refName, commit: sha256Hex }),
    z.strictObject({ kind: z.literal('packages'), url: line, sha256: sha256Hex }),
    z.strictObject({ kind: z.literal('stream'), stream: word, build: buildId }),
  ]),
  missing: z.array(line),
  older: z.array(other),
  newer: z.array(other),
  extra: z.array(line),
  kernel: sides.exactOptional(),
  ostree: sides.exactOptional(),
  /** The same differences by source package, as far as that is known; this and what follows are there from version 2 on. */
  sources: z
    .array(
      z.strictObject({
        name: line,
        ours: line.exactOptional(),
        upstream: line.exactOptional(),
        ...{ missing: names, older: names, newer: names, extra: names },
      }),
    )
    .exactOptional(),
  /** Units that something in the tree starts, and users. */
  units: onlyIn.exactOptional(),
  users: onlyIn.exactOptional(),
  /** What could not be compared and why, a line each. */
  unknown: z.array(line).exactOptional(),
});

/**
 * `upstream.json` of a build: how far it was from upstream when somebody last compared them. Pages and `show` read it, so that they
 * need no network.
 */
const FORMAT = recordFormat({
  version: FORMATS['distance from upstream'],
  schema,
  hint: 'Remove it, and compare again with "atomic-nightly compare BUILD --upstream".',
});

export type UpstreamRecord = RecordOf<typeof FORMAT>;

/** Reads the text of an `upstream.json`. @throws NightlyError `record` */
export function parseUpstream(content: string | Uint8Array, place: string): UpstreamRecord {
  return readRecord(content, FORMAT, place);
}

/** Returns how far a build was from upstream; undefined where nobody compared it, or the record is damaged (I15). */
export async function upstreamOrNone({ dir }: Pick<BuildPaths, 'dir'>): Promise<UpstreamRecord | undefined> {
  const file = join(dir, UPSTREAM_FILE);
  const text = await readTextIfExists(file);
  if (text === undefined) return undefined;
  try {
    return parseUpstream(text, file);
  } catch (error) {
    if (error instanceof NightlyError) return undefined;
    throw error;
  }
}

/** Keeps what a comparison found. */
export async function writeUpstream({ dir }: Pick<BuildPaths, 'dir'>, record: UpstreamRecord): Promise<void> {
  await writeFileAtomic(join(dir, UPSTREAM_FILE), recordText(record, FORMAT));
}

/** Returns what a build was compared with: no address, which may be a path of the build host, as it stands on pages (I9). */
export function sourceText({ source }: Pick<UpstreamRecord, 'source'>): string {
  switch (source.kind) {
    case 'ref':
      return `${source.ref}, commit ${source.commit.slice(0, 12)}`;
    case 'packages':
      return `the list of packages with sha256 ${source.sha256.slice(0, 12)}`;
    case 'stream':
      return `build ${source.build}`;
  }
}
