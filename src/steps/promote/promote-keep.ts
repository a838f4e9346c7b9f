import { armoredSignature, signaturePacketsIn } from '../../base/openpgp-packets.ts';
import { recordText } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { objectPath } from '../../ostree/objects.ts';
import { EPOCH_PATH, refuseWhileDeleting } from '../../publish/epoch.ts';
import { adoptPromoted } from '../../publish/prune/remembered.ts';
import { swapWithRetry } from '../../publish/swap-with-retry.ts';
import { signatureName } from '../../published/paths.ts';
import { PROMOTED, PROMOTED_PATH, type PromotedFile } from '../../published/retired.ts';
import { readTargetRecord } from '../../published/target-record.ts';
import type { Build } from '../../run/build.ts';
import { targetSigner } from '../../run/project.ts';
import type { Night } from '../../run/promoted-night.ts';
import type { Target } from '../../targets/target.ts';
import { targetSigning } from '../deliver/record-signing.ts';

/**
 * Writes down on a target of the nights that a release is made of one, so that no prune takes it. The swap holds only while
 * `prune.json` is what it was when the commit was seen there (publish/epoch.ts): a prune that began since, and may not have
 * read this, makes it look again; one that is at work makes it wait. A night that is not there is not named, since a name
 * without a commit stops every later prune.
 * @throws NightlyError `locked`, `target-moved` when others keep getting in between; `target-unreachable`.
 */
export async function keepPromotedCommit(
  { config }: { readonly config: Parameters<typeof targetSigner>[0] },
  build: Pick<Build, 'id'>,
  night: Pick<Night, 'id' | 'commit'>,
  target: Target,
  task: Task,
): Promise<void> {
  // The target is that of the nightly builds, so what is theirs is signed with their key.
  const signer = targetSigner(config, target.name);
  const signing = signer && targetSigning({ config, signer }, target.name, task);
  const signature = signatureName(PROMOTED_PATH);
  const entry = { build: night.id, release: build.id };
  let there = true;
  await swapWithRetry(
    async () => {
      const commitPath = `repo/${objectPath(night.commit, 'commit')}`;
      const [epoch, content, signed] = await target.readMany([EPOCH_PATH, PROMOTED_PATH, signature], task);
      refuseWhileDeleting(epoch, target);
      there = (await target.read(commitPath, task)) !== undefined;
      if (!there) return undefined;
      const found = content && readTargetRecord(content, PROMOTED, PROMOTED_PATH, target);
      const isKnown =
        !content || !signing || (await signing.trust.vouches(PROMOTED_PATH, content, signaturePacketsIn(signed)));
      const old = found && !isKnown && signing ? await adoptPromoted(found, { ...signing, target }, task) : found;
      const known = old?.commits[night.commit];
      const isNamed = known?.build === entry.build && known.release === entry.release;
      if (isNamed && isKnown && (!signing || signed)) return undefined;
      const next: PromotedFile = { ...old, commits: { ...old?.commits, [night.commit]: entry } };
      const bytes = Buffer.from(recordText(next, PROMOTED));
      const made = signing && (await signing.signer.sign(bytes, task));
      return {
        expect: [
          { path: EPOCH_PATH, content: epoch },
          { path: PROMOTED_PATH, content },
          ...(signing ? [{ path: signature, content: signed }] : []),
        ],
        put: [
          ...(made ? [{ path: signature, content: Buffer.from(armoredSignature(made)) }] : []),
          { path: PROMOTED_PATH, content: bytes },
        ],
      };
    },
    target,
    task,
  );
  task.say(there ? `${target.name} keeps ${night.id}` : `${target.name} does not have ${night.id} any more`);
}
