import { canonicalArch, isDebuginfo } from '../rpm/repository/layout.ts';
import type { AssignedTag } from './assign-tags.ts';
import type { Snapshot, SnapshotRpm } from './snapshot.ts';

/** A package as it was published last. */
export interface PublishedRpm {
  readonly file: string;
  /** MD5 of header and payload: what signing leaves alone. */
  readonly payloadhash: string;
}

/** What is to be done so that the repositories equal the tag at the snapshot's event (C1). */
export interface ContentPlan {
  readonly tag: string;
  readonly event: number;
  readonly arches: readonly string[];
  /** All that the repositories will have. */
  readonly wanted: readonly SnapshotRpm[];
  /** File names that are new, or whose bytes are others than those published. */
  readonly add: readonly string[];
  readonly remove: readonly string[];
  /** RPMs of `wanted` that koji has no signature of the tag's key of. */
  readonly sign: readonly SnapshotRpm[];
  /** What of the tag is not published. */
  readonly blocked: readonly { readonly file: string; readonly why: string }[];
  /** Why the plan may not be carried out; nothing is done then. */
  readonly refused: string | undefined;
}

export interface PlanOptions {
  readonly assigned: Pick<AssignedTag, 'level' | 'debuginfo' | 'source'>;
  /** Key id of eight hexadecimal digits, for the level `release`. */
  readonly key: string;
  /** What the repositories have now; empty for a tag that was never published. */
  readonly published: readonly PublishedRpm[];
  /** Percentage of `published` that may be removed. */
  readonly removalLimit: number;
  /** Whether more was confirmed. */
  readonly acceptRemovals: boolean;
}

/** So many packages may leave a repository whatever its limit: one build of a small project can be half of it. */
const FEW_REMOVALS = 20;

/** State of a build that is whole (koji's `BUILD_STATES`). */
const COMPLETE = 1;

/** Returns the plan of a tag. The same snapshot, published packages and options always give the same plan. */
export function planContent(snapshot: Snapshot, options: PlanOptions): ContentPlan {
  const { assigned, key, published } = options;
  const judged = snapshot.rpms.map((rpm) => ({ rpm, why: whyBlocked(rpm, snapshot.arches, assigned) }));
  const doubled = sameNames(judged.filter(({ why }) => why === undefined).map(({ rpm }) => rpm));
  const wanted = judged.flatMap(({ rpm, why }) => (why === undefined && !doubled.has(rpm.file) ? [rpm] : []));
  const blocked = judged.flatMap(({ rpm: { file }, why }) => {
    if (why !== undefined && why !== UNWANTED) return [{ file, why }];
    return doubled.has(file) && why === undefined ? [{ file, why: 'the tag has two packages of that name' }] : [];
  });
  const before = new Map(published.map(({ file, payloadhash }) => [file, payloadhash]));
  const names = new Set(wanted.map(({ file }) => file));
  const remove = published.map(({ file }) => file).filter((file) => !names.has(file));
  return {
    ...{ tag: snapshot.tag, event: snapshot.event.id, arches: snapshot.arches, wanted, blocked, remove },
    add: wanted.filter(({ file, payloadhash }) => before.get(file) !== payloadhash).map(({ file }) => file),
    sign: assigned.level === 'release' ? wanted.filter(({ keys }) => !keys.includes(key)) : [],
    refused: refusal(remove.length, snapshot, options),
  };
}

/** The reason for what the rule does not publish, which nobody needs to hear of. */
const UNWANTED = 'unwanted';

function whyBlocked(
  { arch, name, build, ...rpm }: SnapshotRpm,
  arches: readonly string[],
  { debuginfo, source }: PlanOptions['assigned'],
): string | undefined {
  if (build.draft || rpm.draft) return 'its build is a draft';
  if (build.state !== COMPLETE) return 'its build is not complete';
  if (rpm.metadata_only) return 'koji has no file of it, only what is known about it';
  if (arch === 'src' || arch === 'nosrc') return source ? undefined : UNWANTED;
  // Packages of the machine's other architectures (multilib) are not published: CBS did without them as well.
  if (arch !== 'noarch' && !arches.some((one) => canonicalArch(one) === canonicalArch(arch))) return UNWANTED;
  return isDebuginfo(name) && !debuginfo ? UNWANTED : undefined;
}

/** File names that two packages with other bytes have: none of them can be published. */
function sameNames(rpms: readonly SnapshotRpm[]): Set<string> {
  const first = new Map<string, number>();
  const doubled = new Set<string>();
  for (const { file, id } of rpms) {
    if ((first.get(file) ?? id) !== id) doubled.add(file);
    first.set(file, id);
  }
  return doubled;
}

function refusal(removals: number, { arches, builds }: Snapshot, options: PlanOptions): string | undefined {
  const { published, removalLimit, acceptRemovals } = options;
  if (builds.length > 0 && arches.length === 0)
    return 'the tag has no architectures in koji: set them with "koji edit-tag --arches"';
  const percent = published.length === 0 ? 0 : (100 * removals) / published.length;
  if (acceptRemovals || removals <= FEW_REMOVALS || percent <= removalLimit) return undefined;
  return `${removals} of ${published.length} packages would be removed, more than the limit of ${removalLimit} %`;
}
