import { z } from 'zod';
import { FORMATS } from '../../base/format-versions.ts';
import { readRecord, recordFormat } from '../../base/read-record.ts';
import { type Component, componentKeys, sourceKeys } from './component.ts';

/**
 * What a tree is made of: `/usr/share/atomic-nightly/provenance.json` in every tree, and the same bytes beside each published
 * build. It has inputs only, so that equal inputs give an equal tree (I10): no build id, no time, no version of a program, no
 * checksum of repository metadata. The format is described in docs/provenance.md.
 */
export interface Provenance {
  readonly schema: typeof SCHEMA;
  readonly version: number;
  /** What the tree was composed from; undefined for a tree that others made. */
  readonly treefile?: TreefileProvenance;
  /** RPM packages, sorted by name and version. */
  readonly packages: readonly RpmProvenance[];
  /** Debian packages that the tree says it has, sorted. */
  readonly debs: readonly DebProvenance[];
  /** What the command that made the tree reported, sorted by name. */
  readonly components: readonly Component[];
}

/** A treefile with all the files it is made of. */
export interface TreefileProvenance {
  /** The digest in the build's record: over what the treefile says and what the files hold that it names. */
  readonly digest: string;
  /** Sorted by path, relative to the innermost folder that has them all: as they are in `treefile.tar.gz`. */
  readonly files: readonly { readonly path: string; readonly sha256: string }[];
  /** SHA-256 of files that the treefile names by absolute paths, which do not come along. */
  readonly elsewhere?: readonly string[];
}

export interface RpmProvenance {
  /** `name-[epoch:]version-release.arch` */
  readonly nevra: string;
  /** `sha256:` and hex of the header, which identifies the package however often it is signed. */
  readonly header?: string;
  /** File name of the source package. */
  readonly source?: string;
  readonly buildHost?: string;
  readonly licence?: string;
  readonly vcs?: string;
  /** Id of the repository it was taken from. */
  readonly repository?: string;
  /** Checksum of the RPM file, `sha256:` and hex. Only where the stream has `provenance: {signatures: true}`. */
  readonly file?: string;
  /** Id of the key that signed it; null for one that is not signed. Only where the stream has `signatures: true`. */
  readonly key?: string | null;
}

export interface DebProvenance {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  /** Source package and its version, where these are not the package's own. */
  readonly source?: string;
}

/** Where it is in a tree. */
export const PROVENANCE_PATH = '/usr/share/atomic-nightly/provenance.json';

const SCHEMA = 'atomic-nightly/provenance';

/** Raised when the same inputs give another file: it counts as an input of every tree. */
export const PROVENANCE_VERSION = FORMATS.provenance.newest;

/** Puts a provenance together from its parts. */
export function provenanceOf(parts: Partial<Omit<Provenance, 'schema' | 'version'>>): Provenance {
  return { schema: SCHEMA, version: PROVENANCE_VERSION, packages: [], debs: [], components: [], ...parts };
}

/** Returns the bytes of the file: keys sorted, two blanks a level, a line end at the end. */
export function provenanceText(provenance: object): string {
  return `${JSON.stringify(sortedKeys(provenance), null, 2)}\n`;
}

function sortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, sortedKeys(item)]));
}

const text = z.string();
const schema = z.looseObject({
  schema: z.literal(SCHEMA),
  version: z.int().min(1),
  treefile: z
    .looseObject({
      digest: text,
      files: z.array(z.looseObject({ path: text, sha256: text })),
      elsewhere: z.array(text).exactOptional(),
    })
    .exactOptional(),
  packages: z.array(
    z.looseObject({
      nevra: text,
      header: text.exactOptional(),
      source: text.exactOptional(),
      buildHost: text.exactOptional(),
      licence: text.exactOptional(),
      vcs: text.exactOptional(),
      repository: text.exactOptional(),
      file: text.exactOptional(),
      key: z.union([text, z.null()]).exactOptional(),
    }),
  ),
  debs: z.array(z.looseObject({ name: text, version: text, arch: text, source: text.exactOptional() })),
  components: z.array(z.looseObject({ ...componentKeys(text), sources: z.array(z.looseObject(sourceKeys(text))) })),
});

const HINT = 'It is not what a compose wrote there; the records of the build name its packages too.';

const FORMAT = recordFormat({ version: FORMATS.provenance, schema, hint: HINT });

/**
 * Reads a provenance, whoever wrote it.
 * @param place the file, for messages
 * @throws NightlyError `record` when it is damaged, or of a later version than is known here.
 */
export function parseProvenance(content: string | Uint8Array, place: string): Provenance {
  return readRecord(content, FORMAT, place);
}
