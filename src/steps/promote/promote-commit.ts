import type { Task } from '../../base/task.ts';
import type { Variant } from '../../ostree/gvariant.ts';
import { readCommit } from '../../ostree/objects.ts';
import { writeRewritten } from '../../ostree/rewrite-commit.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { Night } from '../../run/promoted-night.ts';

/** Metadata key of a release's commit that names the night's. Retention reads it (docs/retention.md). */
const PROMOTION_OF = 'atomic-nightly.promotion-of';

/**
 * Writes the release's commit into the local repository; no ref moves. Its tree, kernel and package list are those of
 * `source`; version, parent, time and the refs it is made for are the release's own, and it names the night's commit.
 * @param source the rebuilt commit, or the night's own
 * @returns the commit
 * @throws NightlyError `ostree` when `source` is not here as a whole.
 */
export async function promoteCommit(
  { repo, ref, testedRef }: Project,
  build: Build,
  { source, parent, night }: { readonly source: string; readonly parent: string | undefined; readonly night: Night },
  task: Task,
): Promise<string> {
  const { metadata } = await readCommit(repo, night.commit);
  const refs = [ref, ...(testedRef === undefined ? [] : [testedRef])].toSorted();
  const text = (value: string): Variant => ({ type: 's', value });
  const commit = await writeRewritten(repo, source, {
    parent,
    timestamp: build.timestamp,
    metadata: {
      version: text(build.id),
      'ostree.ref-binding': { type: 'as', value: refs },
      'ostree.collection-binding': undefined,
      // What the night was made from, not the copies that the rebuild took it from.
      'rpmostree.rpmmd-repos': metadata.get('rpmostree.rpmmd-repos'),
      [PROMOTION_OF]: text(night.commit),
    },
  });
  task.say(`commit ${commit}`);
  return commit;
}
