import { NightlyError } from '../../base/errors.ts';
import { isConsistent, proveConsistency, type TreeHead } from '../../log/consistency.ts';
import type { TileTree } from '../../log/tile-tree.ts';
import type { Target } from '../../targets/target.ts';

/**
 * Makes sure that a log continues what is known of it.
 * @param known what was signed or seen before
 * @param tree the log as it is now, on this target
 * @throws NightlyError `log-rolled-back` when it has fewer entries; `log-split` when it is another log.
 */
export async function requireContinues(
  known: TreeHead,
  tree: TileTree,
  { target, seenAt }: { readonly target: Pick<Target, 'name'>; readonly seenAt: string },
): Promise<void> {
  if (tree.size < known.size) throw rolledBack({ known, size: tree.size, seenAt }, target);
  const proof = await proveConsistency(tree.nodeOf, known.size, tree.size);
  if (!isConsistent(known, tree, proof)) throw splitLog({ known, size: tree.size, seenAt }, target);
}

interface Seen {
  readonly known: TreeHead;
  readonly size: number;
  /** Who saw it, as in `this machine signed` or `its copy on target "b" has`. */
  readonly seenAt: string;
}

/** What to throw for a log that went back: whoever continued it would sign a second tree of one size. */
export function rolledBack({ known, size, seenAt }: Seen, { name }: Pick<Target, 'name'>): NightlyError {
  return new NightlyError(
    'log-rolled-back',
    `The log on target "${name}" has ${size} entries, and ${seenAt} one of ${known.size}: it was put back from a backup, or somebody removed entries.`,
    {
      hint: `Nothing was logged or published. Copy the whole folder log/ from a target that has all ${known.size} entries ("atomic-nightly log check TARGET" says so), tiles first, checkpoint last. If there is none, the log has ended: docs/release-log.md says how to begin another.`,
    },
  );
}

/** What to throw for two logs of one name. */
export function splitLog({ known, size, seenAt }: Seen, { name }: Pick<Target, 'name'>): NightlyError {
  return new NightlyError(
    'log-split',
    `The log on target "${name}" (${size} entries) does not continue the one that ${seenAt} (${known.size} entries): there are two logs of one name.`,
    {
      hint: 'Nothing was logged or published. Keep a copy of both; find out who else has the key of the log, and which of the two the witnesses and your users have seen: docs/release-log.md.',
    },
  );
}
