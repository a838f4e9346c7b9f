import { z } from 'zod';
import { type RecordFormat, recordFormat } from '../base/read-record.ts';
import { architecture, buildId, refName, sha256Hex, word } from '../build/record-values.ts';
import { boxesPath } from './vagrant-catalogue.ts';

/** The JSON files below `streams/` that lead readers to builds. */

/** Returns the path of a stream's metadata: its newest images, for programs. */
export function streamMetadataPath(stream: string): string {
  return `streams/${stream}.json`;
}

/** Returns the path of the pointer to the newest build of a stream that passed its smoke test. */
export function testedPath(stream: string): string {
  return `streams/${stream}/tested.json`;
}

/** Returns the path of the pointer to the newest release of a stream. */
export function latestPath(stream: string): string {
  return `streams/${stream}/latest.json`;
}

/** Returns the path of the index of all releases of a stream. */
export function releasesPath(stream: string): string {
  return `streams/${stream}/releases.json`;
}

/** Whether a path is that of an index of releases, which names builds for ever. */
export function isReleasesPath(path: string): boolean {
  return path.endsWith('/releases.json');
}

/** What the paths of a stream's files are made of. */
interface StreamNames {
  readonly name: string;
  readonly vagrantBox: string;
}

/**
 * The JSON files that lead readers to builds of a stream, relative to a target's root: `verify` checks their signatures, a
 * reconcile repairs them, and a new key signs them (sign-again.ts, which has to have each). A target has those that something
 * was written to: the tested pointer after a smoke test, the last two after a release.
 */
const POINTERS = {
  metadata: ({ name }: StreamNames) => streamMetadataPath(name),
  tested: ({ name }: StreamNames) => testedPath(name),
  boxes: ({ vagrantBox }: StreamNames) => boxesPath(vagrantBox),
  latest: ({ name }: StreamNames) => latestPath(name),
  releases: ({ name }: StreamNames) => releasesPath(name),
} as const;

export type PointerKind = keyof typeof POINTERS;

/** Returns the pointers of a stream, each kind with its path. */
export function pointersOf(stream: StreamNames): (readonly [kind: PointerKind, path: string])[] {
  const kinds = Object.keys(POINTERS) as PointerKind[];
  return kinds.map((kind) => [kind, POINTERS[kind](stream)]);
}

/** Returns the paths of a stream's pointers. */
export function pointerPaths(stream: StreamNames): string[] {
  return pointersOf(stream).map(([, path]) => path);
}

/** Whether a path is that of a file which belongs to the streams that write it, as `pointerPaths` has them. */
export function isPointerPath(path: string): boolean {
  return /^(streams|vagrant)\//.test(path);
}

const HINT = 'Restore it from a backup, or move it away: the next build of the stream writes a new one.';

/** A JSON file that names one build of a stream for each architecture. */
export interface StreamPointer<Entry extends { readonly build: string }> {
  readonly stream: string;
  readonly arches: Readonly<Record<string, Entry>>;
}

/** `streams/<stream>/tested.json`: the newest build of a stream whose smoke test passed, by architecture. */
export type TestedPointer = StreamPointer<{ readonly build: string; readonly commit: string; readonly ref: string }>;

/** `streams/<stream>/latest.json`: the newest release of a stream, by architecture. */
export type LatestPointer = StreamPointer<{
  readonly build: string;
  readonly commit: string;
  readonly ref: string;
  /** URL of its release notes. */
  readonly notes: string;
}>;

const named = { build: buildId, commit: sha256Hex, ref: refName };

export const TESTED_POINTER: RecordFormat<TestedPointer> = recordFormat({
  schema: z.looseObject({ stream: word, arches: z.record(architecture, z.looseObject(named)) }),
  hint: HINT,
});

export const LATEST_POINTER: RecordFormat<LatestPointer> = recordFormat({
  schema: z.looseObject({
    stream: word,
    arches: z.record(architecture, z.looseObject({ ...named, notes: z.string() })),
  }),
  hint: HINT,
});

/**
 * `streams/<stream>/releases.json`: every release of a stream, oldest first, in the format of Fedora CoreOS's release
 * index (github.com/coreos/fedora-coreos-releng-automation, `coreos-meta-translator`), with `withdrawn` added.
 */
export interface ReleaseIndex {
  readonly note: string;
  readonly stream: string;
  readonly metadata: { readonly lastModified: string };
  readonly releases: readonly IndexedRelease[];
}

export interface IndexedRelease {
  readonly version: string;
  readonly commits: readonly { readonly architecture: string; readonly checksum: string }[];
  /** URL of its record. */
  readonly metadata: string;
  /** Why nobody should use it any more. */
  readonly withdrawn?: string;
}

export const RELEASE_INDEX: RecordFormat<ReleaseIndex> = recordFormat({
  schema: z.looseObject({
    note: z.string(),
    stream: word,
    metadata: z.looseObject({ 'last-modified': z.string() }),
    releases: z.array(
      z.looseObject({
        version: buildId,
        commits: z.array(z.looseObject({ architecture, checksum: sha256Hex })),
        metadata: z.string(),
        withdrawn: z.string().exactOptional(),
      }),
    ),
  }),
  hint: 'Put it back from a backup: only the release commands write it, one release at a time.',
});

/**
 * `streams/<stream>.json`: where to find the newest images of a stream, for programs. The format is that of CoreOS's
 * stream metadata (github.com/coreos/stream-metadata-go); an artifact's key is the image type.
 */
export interface StreamMetadata {
  readonly stream: string;
  readonly metadata: { readonly lastModified: string; readonly generator: string };
  readonly architectures: Readonly<Record<string, ArchitectureMetadata>>;
}

export interface ArchitectureMetadata {
  readonly artifacts: Readonly<Record<string, Artifact>>;
  readonly images: Readonly<Record<string, unknown>>;
}

export interface Artifact {
  /** The build it is from. */
  readonly release: string;
  readonly formats: Readonly<Record<string, { readonly disk: Location }>>;
}

interface Location {
  readonly location: string;
  readonly sha256: string;
  readonly uncompressedSha256: string;
}

const disk = z.looseObject({ location: z.string(), sha256: sha256Hex, 'uncompressed-sha256': sha256Hex });

export const STREAM_METADATA: RecordFormat<StreamMetadata> = recordFormat({
  schema: z.looseObject({
    stream: word,
    metadata: z.looseObject({ 'last-modified': z.string(), generator: z.string() }),
    architectures: z.record(
      architecture,
      z.looseObject({
        artifacts: z.record(
          word,
          z.looseObject({ release: z.string(), formats: z.record(z.string(), z.looseObject({ disk })) }),
        ),
        images: z.record(z.string(), z.unknown()),
      }),
    ),
  }),
  hint: HINT,
});
