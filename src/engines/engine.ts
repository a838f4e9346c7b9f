import type { Task } from '../base/task.ts';
import type { Lockfile } from '../rpm/lockfile.ts';
import type { Treefile } from '../treefile/treefile.ts';

/** What turns a treefile and RPM repositories into an OSTree commit. */
export interface Engine {
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
  compose(request: ComposeRequest, task: Task): Promise<Composed>;
}

export interface ResolveRequest {
  readonly treefile: Treefile;
  /** Kept between nights; private to this engine and stream. Made when missing. */
  readonly cacheDir: string;
  /** Use exactly these packages (a promotion, or a redo); otherwise the newest. */
  readonly lockfile?: Lockfile;
  /** The archive repo a commit would go into, and the commit it would follow. */
  readonly repo: string;
  readonly parent?: string;
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
  readonly alsoBound?: readonly string[];
  readonly parent?: string;
  /** The build id; becomes the commit's `version`. */
  readonly version: string;
  /** Seconds since the epoch; the commit's timestamp and every "now" inside the tree. */
  readonly timestamp: number;
  /** Generation time of each repository's metadata, seconds since the epoch, for `rpmostree.rpmmd-repos`. */
  readonly repoTimestamps: Readonly<Record<string, number>>;
  /** Further string metadata for the commit. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface Composed {
  readonly commit: string;
  /** SHA-256 over the root dirtree and dirmeta: equal for equal trees, whatever the metadata (I10). */
  readonly contentChecksum: string;
  readonly kernel?: string;
  readonly initramfs: 'built' | 'reused' | 'none';
  /** Seconds by phase in order, with the program that took them (`dnf`, `dracut`, `ostree`, `self`). */
  readonly phases: readonly { readonly name: string; readonly tool: string; readonly seconds: number }[];
}
