import type { TargetRetention } from '../../config/config.ts';
import type { TaggedBuild } from './decide.ts';
import { type Amount, totalOf } from './prune-plan.ts';
import type { PruneResult } from './prune-target.ts';
import type { KeepReason } from './retention.ts';

/** What a prune of a target did or would do, for people and scripts. */
export interface PruneReport {
  readonly target: string;
  readonly refs: readonly { readonly ref: string; readonly commits: readonly ReportedCommit[] }[];
  /** Files removed, by kind. */
  readonly removed: readonly (Amount & { readonly name: string })[];
  /** Builds the index does not name any more: `ID/ARCH`. */
  readonly unlisted: readonly string[];
  /** Only of a dry run: what goes once all that is given up has gone. */
  readonly later?: Amount | undefined;
}

export interface ReportedCommit {
  readonly commit: string;
  readonly version?: string | undefined;
  /** RFC 3339, UTC. */
  readonly date: string;
  /** `given-up`: its files go from `due` on; `removed`: they went in this prune, or would. */
  readonly state: 'kept' | 'given-up' | 'removed';
  readonly why: readonly KeepReason[];
  /** Names that its build has, where it has any. */
  readonly tags?: readonly string[];
  /** RFC 3339, UTC. */
  readonly due?: string;
}

/** Puts a prune's result in the order a person asks about it: by ref, newest commit first. */
export function reportPrune(
  target: string,
  { plan, later }: PruneResult,
  { retention, tagged }: { readonly retention: TargetRetention; readonly tagged: readonly TaggedBuild[] },
): PruneReport {
  const { histories, kept, waits, goes } = plan.decision;
  const removed = new Map<string, Amount>();
  for (const stage of plan.stages) removed.set(stage.name, totalOf([removed.get(stage.name) ?? totalOf([]), stage]));
  return {
    target,
    refs: histories.map(({ ref, commits }) => ({
      ref,
      commits: commits.map(({ checksum, version, timestamp }): ReportedCommit => {
        const why = kept.get(checksum);
        const since = waits.get(checksum)?.since;
        const tags = tagged.find(({ commits: its }) => its.includes(checksum))?.tags;
        return {
          commit: checksum,
          version,
          date: date(timestamp),
          state: why ? 'kept' : goes.has(checksum) ? 'removed' : 'given-up',
          why: [...(why ?? [])],
          ...(tags && { tags }),
          ...(since === undefined ? {} : { due: date(Date.parse(since) / 1000 + retention.graceSeconds) }),
        };
      }),
    })),
    removed: [...removed].map(([name, amount]) => ({ name, ...amount })),
    unlisted: plan.builds.unlisted.map(({ id, arch }) => `${id}/${arch}`),
    later,
  };
}

const date = (seconds: number): string => new Date(seconds * 1000).toISOString();
