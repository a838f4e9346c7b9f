import { ageOf, type PromotedTo, promotedTo } from './about-build.ts';
import { storedMeta } from './build-record-format.ts';
import type { DamagedBuild, StoredBuild } from './build-store.ts';

/** A build with what is known of it beside its record. */
export interface PrintableBuild {
  readonly meta: StoredBuild['meta'];
  /** How it stands now. */
  readonly state: string;
  /** Seconds since it was begun. */
  readonly age: number;
  readonly promoted: readonly PromotedTo[];
  /** Its tags. */
  readonly tags: readonly string[];
}

type Standing = Pick<PrintableBuild, 'meta' | 'state'>;

/** Returns what is told of a build beside its record. @param all builds among which its promotions are */
export function printable(
  { meta, state, tags }: Standing & Pick<PrintableBuild, 'tags'>,
  all: readonly Standing[],
): PrintableBuild {
  return { meta, state, tags, age: ageOf(meta), promoted: promotedTo(all, meta.buildid, (one) => one.state) };
}

/** Returns a build as `list --json`, `show --json` and the API give it: its record, how it stands, its age, promotions and tags. */
export function printedBuild({ meta, state, age, promoted, tags }: PrintableBuild): object {
  return {
    ...storedMeta(meta),
    'atomic-nightly.state': state,
    'atomic-nightly.age-seconds': age,
    'atomic-nightly.promoted-to': promoted,
    'atomic-nightly.tags': tags,
  };
}

/** Returns a build whose record cannot be read, as they give it. */
export function printedDamage({ id, arch, error }: DamagedBuild): object {
  return {
    buildid: id,
    'coreos-assembler.basearch': arch,
    'atomic-nightly.state': 'damaged',
    'atomic-nightly.damage': error.message,
  };
}
