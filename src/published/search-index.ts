import { gunzipSync, gzipSync } from 'node:zlib';
import { z } from 'zod';
import { byText } from '../base/by-text.ts';
import { damaged, type RecordOf, readRecord, recordFormat } from '../base/read-record.ts';
import { architecture, buildId, count, instant, word } from '../build/record-values.ts';
import type { FoundChange } from '../rpm/packed-changes.ts';
import { CHANGE_WORDS } from '../rpm/pkgdiff.ts';
import type { Target } from '../targets/target.ts';
import { onTarget, placeOn } from './target-record.ts';

/**
 * What the search of published pages reads: all builds of a target, and what became of each package in which of them. JSON through
 * gzip, because file servers send it as it is, and browsers unpack it themselves.
 */
export const SEARCH_INDEX_PATH = 'search/builds.json.gz';

/** A build that is found on published pages. */
export interface SearchedBuild {
  readonly id: string;
  readonly arch: string;
  readonly stream: string;
  readonly state: string;
  /** Its commit's time, RFC 3339. */
  readonly begun: string;
  readonly released: '' | 'released' | 'withdrawn' | 'retracted';
  /** What changed, in a line. */
  readonly summary: string;
  readonly changes: readonly FoundChange[];
}

/** All that is searched. */
export interface SearchedBuilds {
  /** Newest first. */
  readonly builds: readonly SearchedBuild[];
  /** `ID/ARCH` of builds whose record was read and is not believed, or is damaged, so that it is not read each night. */
  readonly without: readonly string[];
}

const HINT = 'Remove it: the next publication makes it again from all records.';

/**
 * Package changes stand by package and not by build: the version that one build leads to is the one that the next comes from, so
 * that gzip leaves little of it.
 */
export const SEARCH_INDEX = recordFormat({
  schema: z.looseObject({
    version: z.literal(1, 'must be 1, the only version of this index'),
    builds: z.array(
      z.looseObject({
        id: buildId,
        arch: architecture,
        stream: word,
        state: z.string().max(100),
        begun: instant,
        released: z.enum(['released', 'withdrawn', 'retracted']).exactOptional(),
        summary: z.string().exactOptional(),
      }),
    ),
    // Name of the package; then which of the builds, what became of it, from and to which version.
    packages: z.array(z.tuple([z.string(), z.array(z.tuple([count, z.enum(CHANGE_WORDS), z.string(), z.string()]))])),
    without: z.array(z.string()),
  }),
  hint: HINT,
});

/** No index is larger; what claims to be is not unpacked. */
const MOST_BYTES = 256 << 20;

/** Returns the index as it is published. The same builds give the same bytes. */
export function packSearchIndex({ builds, without }: SearchedBuilds): Buffer {
  const packages = new Map<string, [number, FoundChange['word'], string, string][]>();
  for (const [at, { changes }] of builds.entries()) {
    for (const { name, word: became, from, to } of changes) {
      const known = packages.get(name) ?? [];
      known.push([at, became, from, to]);
      packages.set(name, known);
    }
  }
  const stored: RecordOf<typeof SEARCH_INDEX> = {
    version: 1,
    builds: builds.map(({ id, arch, stream, state, begun, released, summary }) => ({
      ...{ id, arch, stream, state, begun },
      ...(released ? { released } : {}),
      ...(summary ? { summary } : {}),
    })),
    packages: [...packages].toSorted(([a], [b]) => byText(a, b)),
    without: [...without],
  };
  return gzipSync(JSON.stringify(stored), { level: 9 });
}

/**
 * Reads an index as it lies on a target.
 * @throws NightlyError `unsupported`, naming what is wrong with it.
 */
export function readSearchIndex(content: Uint8Array, target: Pick<Target, 'name'>): SearchedBuilds {
  const place = placeOn(SEARCH_INDEX_PATH, target);
  return onTarget(() => {
    const stored = readRecord(unpacked(content, place), SEARCH_INDEX, place);
    const changes: FoundChange[][] = stored.builds.map(() => []);
    for (const [name, known] of stored.packages) {
      for (const [at, became, from, to] of known) {
        const ofBuild = changes[at];
        if (!ofBuild) throw damaged(place, `"${name}" names build ${at} of ${changes.length}`, HINT);
        ofBuild.push({ name, word: became, from, to });
      }
    }
    const builds = stored.builds.map(({ id, arch, stream, state, begun, released, summary }, at) => {
      const about = { released: released ?? '', summary: summary ?? '', changes: changes[at] ?? [] } as const;
      return { id, arch, stream, state, begun, ...about };
    });
    return { builds, without: stored.without };
  });
}

function unpacked(content: Uint8Array, place: string): Uint8Array {
  try {
    return gunzipSync(content, { maxOutputLength: MOST_BYTES });
  } catch (error) {
    throw damaged(place, 'it does not unpack', HINT, error);
  }
}
