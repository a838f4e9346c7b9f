import type { Task } from '../base/task.ts';
import type { Lockfile, PackageId } from '../rpm/lockfile.ts';
import type { Treefile } from '../treefile/treefile.ts';
import type { ProvenanceReport } from './folder/provenance-report.ts';
import type { PackageSignatures, ProvenanceRequest } from './provenance/rpm-provenance.ts';

/** What makes the tree of a stream. */
export type Engine = RpmEngine | FolderEngine;

/** What turns a treefile and RPM repositories into an OSTree commit. */
export interface RpmEngine {
  readonly name: 'dnf' | 'rpm-ostree';
  /** The version of the program underneath, for the record. */
  readonly version: string;
  /**
   * Refuses what this engine cannot honour, before any work.
   * @throws NightlyError `unsupported`, naming every such key with its place.
   */
  check(treefile: Treefile): void;
  /** Depsolves. @throws NightlyError `repo-unknown`, `repo-unreachable`, `package-missing`, `depsolve`. */
  resolve(request: ResolveRequest, task: Task): Promise<Resolution>;
  /**
   * Makes the commit in the repo without moving any ref. Safe to call again after a kill: leftovers of the earlier
   * try are removed first.
   * @throws NightlyError `package-unsigned`, `compose`, `tool-failed`, `disk-full`.
   */
  compose(request: ComposeRequest, task: Task): Promise<ComposedPackages>;
}

export interface ResolveRequest {
  readonly treefile: Treefile;
  /** Kept between nights; private to this engine and stream. Made when missing. */
  readonly cacheDir: string;
  /** Use exactly these packages (a promotion, or a redo); otherwise the newest. */
  readonly lockfile?: Lockfile;
  /** The archive repo a commit would go into, and the commit it would follow. */
  readonly repo: string;
  readonly parent?: string | undefined;
}

export interface Resolution {
  readonly lockfile: Lockfile;
  /** Hash over everything that determines the tree; equal to the parent's `rpmostree.inputhash` means unchanged. */
  readonly inputHash: string;
  readonly downloadBytes?: number;
}

export interface ComposeRequest {
  readonly treefile: Treefile;
  readonly lockfile: Lockfile;
  readonly inputHash: string;
  readonly cacheDir: string;
  /** Work files of this build only; removed by the caller afterwards. On the same file system as `repo`. */
  readonly scratchDir: string;
  /** The archive-mode repo to commit into. */
  readonly repo: string;
  readonly ref: string;
  /** Further refs the commit may be published under: clients refuse one that does not name theirs. */
  readonly alsoBound?: readonly string[] | undefined;
  readonly parent?: string | undefined;
  /** The build id; becomes the commit's `version`. */
  readonly version: string;
  /** Seconds since the epoch; the commit's timestamp and every "now" inside the tree. */
  readonly timestamp: number;
  /** Generation time of each repository's metadata, seconds since the epoch, for `rpmostree.rpmmd-repos`. */
  readonly repoTimestamps: Readonly<Record<string, number>>;
  /** Further string metadata for the commit. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What the tree is to say of what it is made of; undefined: it has no provenance. */
  readonly provenance?: ProvenanceRequest | undefined;
}

export interface Composed {
  readonly commit: string;
  /** SHA-256 over the root dirtree and dirmeta: equal for equal trees, whatever the metadata (I10). */
  readonly contentChecksum: string;
  readonly kernel?: string | undefined;
  readonly initramfs: 'built' | 'reused' | 'none';
  /** Seconds by phase in order, with the program that took them (`dnf`, `dracut`, `ostree`, `self`). */
  readonly phases: readonly { readonly name: string; readonly tool: string; readonly seconds: number }[];
}

export interface ComposedPackages extends Composed {
  /** Checksum and signature of each package, where the tree says what it is made of. */
  readonly signatures?: PackageSignatures;
}

/** What turns a folder that others filled into an OSTree commit. The folder is taken as it is; nobody's files are changed. */
export interface FolderEngine {
  readonly name: 'checkout' | 'command';
  /** The version of ostree, which makes the commit. */
  readonly version: string;
  /** The folder that is committed, or the one that the program runs in: what its trees come from, as far as is known. */
  readonly source: string;
  /** SHA-256 over the engine's settings: a build that was begun with others cannot end as it began. */
  readonly digest: string;
  /**
   * Finds out what the tree depends on, before anything is built.
   * @throws NightlyError `compose` (a tree that cannot be committed, a program that failed), `tool-missing`, `disk-full`.
   */
  readInputs(request: FolderRequest, task: Task): Promise<FolderInputs>;
  /**
   * Makes the commit in the repo without moving any ref. Safe to call again after a kill.
   * @throws NightlyError `compose`, naming every fault of the tree; `tool-failed`, `disk-full`.
   */
  compose(request: FolderComposeRequest, task: Task): Promise<ComposedFolder>;
}

/** Whether an engine commits a folder as it is. */
export function isFolder(engine: Engine): engine is FolderEngine {
  return engine.name === 'checkout' || engine.name === 'command';
}

export interface FolderRequest {
  /** Kept between nights; private to this stream. Made when missing. */
  readonly cacheDir: string;
  /** Work files of this build only; removed by the caller afterwards. */
  readonly scratchDir: string;
  /** Whether the tree must have a kernel with its initramfs. */
  readonly bootable: boolean;
  /** Seconds since the epoch: SOURCE_DATE_EPOCH of what runs. */
  readonly timestamp: number;
  /** Whether the keys that signed its RPM packages belong into the tree's provenance. */
  readonly signatures?: boolean;
}

export interface FolderInputs {
  /** Hash over everything that determines the tree; equal to the parent's means unchanged. */
  readonly inputHash: string;
  /** What it was made of, for people: a line each. */
  readonly lines: readonly string[];
}

export interface FolderComposeRequest extends FolderRequest {
  readonly inputHash: string;
  /** The archive-mode repo to commit into. */
  readonly repo: string;
  readonly ref: string;
  readonly alsoBound?: readonly string[] | undefined;
  readonly parent?: string | undefined;
  /** The build id; becomes the commit's `version`. */
  readonly version: string;
}

export interface ComposedFolder extends Composed {
  /** RPM or Debian packages in the tree and components that were reported, sorted by name. */
  readonly components: readonly PackageId[];
  /** What the command wrote to $ATOMIC_PROVENANCE. */
  readonly provenance?: ProvenanceReport | undefined;
}
