import { z } from 'zod';
import { definedOnly } from '../../base/defined-only.ts';
import { readRecord, recordFormat } from '../../base/read-record.ts';
import type { RpmHeader } from '../../programs/rpm-installed.ts';
import { formatEvra } from '../../rpm/evr.ts';
import { type Lockfile, lockedEntries, type PackageId } from '../../rpm/lockfile.ts';
import { comparePackages } from '../../rpm/pkgdiff.ts';
import { type Provenance, provenanceOf, type RpmProvenance, type TreefileProvenance } from './provenance-format.ts';

/** What a compose of packages is told for the provenance of its tree. */
export interface ProvenanceRequest {
  readonly treefile: TreefileProvenance;
  /**
   * Whether checksums of files and keys of signatures belong into the tree. They change when a package is signed again, while its
   * header does not.
   */
  readonly signatures: boolean;
  /** Repository by NEVRA, in place of the one that a package comes from now: a promotion's come from a store of its own. */
  readonly repositories?: Readonly<Record<string, string>>;
}

/** File and signature of a package, by NEVRA: in the record of each build, and in its tree if the stream says so. */
export type PackageSignatures = Readonly<Record<string, { readonly file?: string; readonly key: string | null }>>;

/** What is known of the packages of a tree. */
export interface KnownPackages {
  /** Packages in the tree's rpm database, or without details where there is none. */
  readonly installed: readonly (PackageId & Partial<RpmHeader>)[];
  readonly lockfile: Lockfile;
  /** Repository by NEVRA. */
  readonly repositories: Readonly<Record<string, string>>;
}

/** Returns the provenance of a tree of packages. */
export function packagesProvenance(request: ProvenanceRequest, known: KnownPackages): Provenance {
  const { treefile, repositories = known.repositories } = request;
  const signatures = request.signatures ? signaturesOf(known) : {};
  const packages = rpmsOf(known.installed, (nevra) => ({
    ...definedOnly({ repository: repositories[nevra] }),
    ...signatures[nevra],
  }));
  return provenanceOf({ treefile, packages });
}

/** Returns entries for packages, sorted. @param more what no header says */
export function rpmsOf(
  installed: readonly (PackageId & Partial<RpmHeader>)[],
  more: (nevra: string, one: Partial<RpmHeader>) => Omit<RpmProvenance, 'nevra'>,
): RpmProvenance[] {
  return installed.toSorted(comparePackages).map((one) => {
    const { header, source, buildHost, licence, vcs } = one;
    const nevra = nevraOf(one);
    return { nevra, ...definedOnly({ header, source, buildHost, licence, vcs }), ...more(nevra, one) };
  });
}

/** Returns checksum and key of each package. */
export function signaturesOf({ installed, lockfile }: Omit<KnownPackages, 'repositories'>): PackageSignatures {
  const digests = new Map(lockedEntries(lockfile).map(({ name, evra, digest }) => [`${name}-${evra}`, digest]));
  const entries = installed.toSorted(comparePackages).map((one) => {
    const file = digests.get(nevraOf(one));
    return [nevraOf(one), { ...(file === undefined ? {} : { file }), key: one.key ?? null }] as const;
  });
  return Object.fromEntries(entries);
}

const SIGNATURES = recordFormat({
  schema: z.looseObject({
    packages: z.record(
      z.string(),
      z.looseObject({ file: z.string().exactOptional(), key: z.union([z.string(), z.null()]) }),
    ),
  }),
  hint: 'Take it from a target that the build is on.',
});

/** Reads the record that a compose writes of them, `signatures.json`. @param place the file @throws NightlyError `record`. */
export function readSignatures(content: string | Uint8Array, place: string): PackageSignatures {
  return readRecord(content, SIGNATURES, place).packages;
}

/** Returns a package as `NAME-EVRA`, the epoch left out where it is 0. */
export const nevraOf = (one: PackageId): string => `${one.name}-${formatEvra(one)}`;
