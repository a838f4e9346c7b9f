import type { SmokeResult } from '../boot/image-smoke-test.ts';
import type { ImageFile } from '../images/image.ts';
import type { DeltaRecord } from '../ostree/delta-record.ts';
import type { TreeSize } from '../ostree/tree-size.ts';
import type { FixedAdvisory } from '../rpm/fixed-advisories.ts';
import type { PackageDiff } from '../rpm/pkgdiff.ts';
import type { BuildState } from './outcomes.ts';
import type { Stop } from './stops.ts';

/**
 * `meta.json` of a build, as it is inside: build-record-format.ts has the stored keys. Most are coreos-assembler's (its v1
 * schema), so that its tools can read the record; what is ours is stored under `atomic-nightly.*`.
 */
export interface BuildMeta {
  readonly name: string;
  readonly buildid: string;
  readonly basearch: string;
  readonly ref: string;
  readonly ostreeVersion?: string;
  readonly ostreeCommit?: string;
  readonly ostreeContentChecksum?: string;
  /** RFC 3339, UTC: the commit's time. */
  readonly ostreeTimestamp: string;
  readonly rpmOstreeInputhash?: string;
  readonly pkgdiff?: PackageDiff;
  /** What these changes fix, as far as repositories have updateinfo; not there where none has. */
  readonly advisories?: readonly FixedAdvisory[];
  /** Ids of repositories whose updateinfo could not be read then: advisories of theirs may be missing. */
  readonly advisoriesUnread?: readonly string[];
  readonly images?: Readonly<Record<string, ImageFile>>;
  readonly stream: string;
  readonly state: BuildState;
  readonly parent?: string | undefined;
  readonly engine?: { readonly name: string; readonly version: string };
  /** What the build was made from, as far as its tree does not say it. A promotion has that of its nightly build. */
  readonly inputs?: InputsRecord;
  readonly treefileDigest?: string;
  /** The copy of the treefile with all its files, relative to the build's folder; only in the work folder. */
  readonly treefileCopy?: string;
  /** Set for a build of a release stream. */
  readonly promotion?: PromotionRecord;
  readonly approvals?: readonly Approval[] | undefined;
  /** What others say who composed it again, in the order in which it came. */
  readonly rebuilds?: readonly RebuildRecord[];
  readonly release?: ReleaseRecord;
  /** Set for a build that only takes a release back. */
  readonly withdrawal?: WithdrawalRecord;
  /** Set for a build that only takes nights back. */
  readonly retraction?: RetractionRecord;
  /** Set for a night that was taken back; its record stays as it is from then on. */
  readonly retracted?: RetractedRecord;
  /** The later promotion of the same night that took this one's place. */
  readonly supersededBy?: string;
  /** Targets whose public URL was verified to serve the commit. */
  readonly published?: readonly string[];
  readonly steps?: readonly { readonly step: string; readonly seconds: number }[];
  readonly compose?: {
    readonly initramfs: string;
    readonly kernel?: string | undefined;
    readonly phases: readonly { readonly name: string; readonly tool: string; readonly seconds: number }[];
  };
  /** Results of the images that booted, keyed by image type. */
  readonly smokeTests?: Readonly<Record<string, SmokeResult>>;
  /** Images that did not pass their smoke test: here to be looked at, and nowhere published. */
  readonly refusedImages?: Readonly<Record<string, ImageFile>>;
  /** Static deltas to the commit, with what they save. */
  readonly deltas?: readonly DeltaRecord[];
  /** All objects of the commit, with their bytes as they are stored in an archive repository. */
  readonly tree?: TreeSize;
  /** Fingerprints of the keys that signed commit, images and records; not there when nothing is signed. */
  readonly signedBy?: readonly string[];
  /** It was forced although nothing changed, and stays so when it is resumed. */
  readonly forced?: true;
  /** Where the last attempt was asked to end; `resume` continues from there. */
  readonly stoppedAfter?: Stop | undefined;
  /**
   * Image types that are still to be made. There for a build whose images several machines may make: each merges what
   * it made into the record that the targets have.
   */
  readonly pendingImages?: readonly string[];
  /** What failed, for an incomplete or failed build. */
  readonly failures?: readonly BuildFailure[];
}

/** What a build was made from and by: what does not belong into the tree, since it changes without it. */
export interface InputsRecord {
  /** Keyed by id: where the metadata was read, its SHA-256 (of repomd.xml) and time (RFC 3339, UTC). */
  readonly repositories: Readonly<
    Record<string, { readonly url: string; readonly repomd: string; readonly generated: string }>
  >;
  /** The git checkout that the treefile lies in, or the folder that is committed, or the program that fills one; not there where it is in none. */
  readonly checkout?: { readonly revision: string; readonly dirty: boolean; readonly url?: string };
  /** Programs that made the tree, beside the engine. */
  readonly programs: { readonly atomicNightly: string; readonly ostree: string };
}

/** What was asked for when a night was promoted, and what came of it. */
export interface PromotionRecord {
  /** The night: its build id, commit and stream. */
  readonly of: string;
  readonly commit: string;
  readonly stream: string;
  /** Counts the promotions of this night in the release stream, from 1. */
  readonly attempt: number;
  /** The night's own tree in a new commit, instead of a rebuild. */
  readonly recommit: boolean;
  readonly reason?: string | undefined;
  /** `name-[epoch:]version-release.arch` of packages taken newer than the night has them. */
  readonly overrides: readonly string[];
  /** Names of packages left out. */
  readonly excludes: readonly string[];
  /** The upstream release that this candidate maps to. */
  readonly upstream?: string | undefined;
  /** Number of the cycle it was made in, from 1. */
  readonly cycle?: number;
  /** The release of the stream that was the last when this began: no package may be older than there. */
  readonly lastRelease?: string | undefined;
  readonly acceptDifferences: boolean;
  /** Paths in which the rebuilt tree differs from the night's without need, as they were accepted. */
  readonly differencesAccepted?: { readonly count: number; readonly paths: readonly string[] };
  /** Earlier promotions of the same night in the stream that this one takes the place of. */
  readonly supersedes: readonly string[];
}

/** A statement of somebody who composed the build again; the file has more (docs/rebuild-compose.md). */
export interface RebuildRecord {
  /** Name of the rebuilder in the configuration. */
  readonly by: string;
  readonly verdict: 'identical' | 'differs';
  /** When it was done, as the rebuilder says; RFC 3339. */
  readonly at: string;
  /** The signed statement, relative to the build's folder. */
  readonly statement: string;
  /** How many paths differ. */
  readonly differences: number;
  /** Images that were made again, too. */
  readonly images?: readonly { readonly type: string; readonly verdict: 'identical' | 'differs' }[];
}

/** Somebody's word that a promotion may be released. */
export interface Approval {
  readonly by: string;
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly note?: string | undefined;
}

/** Says that a promotion was released; from then on its record is frozen, but for a withdrawal. */
export interface ReleaseRecord {
  /** RFC 3339, UTC. */
  readonly at: string;
  /** `by`: build id of the withdrawal. */
  readonly withdrawn?: { readonly at: string; readonly reason: string; readonly by: string };
}

/** What a withdrawal takes back, and to what. */
export interface WithdrawalRecord {
  /** Build ids of the release and of the one before it. */
  readonly of: string;
  readonly previous: string;
  readonly reason: string;
}

/** What a retraction takes back, and to what. */
export interface RetractionRecord {
  /** Build id of the bad night, the newest of its stream. */
  readonly of: string;
  /** Build id of the good night whose tree is published again. */
  readonly previous: string;
  /** Nights between the two: they are taken back with it. */
  readonly between: readonly string[];
  readonly reason: string;
}

/** Says that a night was taken back. */
export interface RetractedRecord {
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly reason: string;
  /** Build id of the retraction. */
  readonly by: string;
}

export interface BuildFailure {
  readonly step: string;
  readonly code: string;
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string | undefined;
}
