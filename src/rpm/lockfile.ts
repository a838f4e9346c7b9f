/**
 * A lockfile in rpm-ostree's format (docs/treefile.md and `rpm-ostree compose tree --ex-write-lockfile-to`), so that
 * either engine can build from the other's.
 */
export interface Lockfile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
  readonly metadata?: {
    /** RFC 3339. */
    readonly generated?: string;
    readonly rpmmd_repos?: Readonly<Record<string, { readonly generated: string }>>;
  };
}

export interface LockedPackage {
  /** `[epoch:]version-release.arch` */
  readonly evra: string;
  /** `sha256:<hex>` of the RPM file, as repository metadata has it. */
  readonly digest?: string;
}

/** One entry of `rpmostree.rpmdb.pkglist`; epoch is a number in a string, "0" when there is none. */
export interface PackageId {
  readonly name: string;
  readonly epoch: string;
  readonly version: string;
  readonly release: string;
  readonly arch: string;
}
