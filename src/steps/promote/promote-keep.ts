import { recordText } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { objectPath } from '../../ostree/objects.ts';
import { EPOCH_PATH, refuseWhileDeleting } from '../../publish/epoch.ts';
import { swapWithRetry } from '../../publish/swap-with-retry.ts';
import { PROMOTED, PROMOTED_PATH, type PromotedFile } from '../../published/retired.ts';
import { readTargetRecord } from '../../published/target-record.ts';
import type { Build } from '../../run/build.ts';
import type { Night } from '../../run/promoted-night.ts';
import type { Target } from '../../targets/target.ts';

/**
 * Writes down on a target of the nights that a release is made of one, so that no prune takes it. The swap holds only while
 * `prune.json` is what it was when the commit was seen there (publish/epoch.ts): a prune that began since, and may not have
 * read this, makes it look again; one that is at work makes it wait. A night that is not there is not named, since a name
 * without a commit stops every later prune.
 * @throws NightlyError `locked`, `target-moved` when others keep getting in between; `target-unreachable`.
 */
export async function keepPromotedCommit(
  build: Build,
  night: Pick<Night, 'id' | 'commit'>,
  target: Target,
  task: Task,
): Promise<void> {
  const entry = { build: night.id, release: build.id };
  let there = true;
  await swapWithRetry(
    async () => {
      const commitPath = `repo/${objectPath(night.commit, 'commit')}`;
      const [epoch, content] = await target.readMany([EPOCH_PATH, PROMOTED_PATH], task);
      refuseWhileDeleting(epoch, target);
      there = (await target.read(commitPath, task)) !== undefined;
      if (!there) return undefined;
      const old = content && readTargetRecord(content, PROMOTED, PROMOTED_PATH, target);
      const known = old?.commits[night.commit];
      if (known?.build === entry.build && known.release === entry.release) return undefined;
      const next: PromotedFile = { ...old, commits: { ...old?.commits, [night.commit]: entry } };
      return {
        expect: [
          { path: EPOCH_PATH, content: epoch },
          { path: PROMOTED_PATH, content },
        ],
        put: [{ path: PROMOTED_PATH, content: Buffer.from(recordText(next, PROMOTED)) }],
      };
    },
    target,
    task,
  );
  task.say(there ? `${target.name} keeps ${night.id}` : `${target.name} does not have ${night.id} any more`);
}
