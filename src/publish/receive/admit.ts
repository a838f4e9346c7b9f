import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import type { PusherConfig } from '../../config/receive.ts';
import { takeFlock } from '../../programs/flock.ts';
import { syncFileSystem } from '../../programs/sync.ts';
import type { TargetSigning } from '../../published/record-trust.ts';
import type { Signer } from '../../signing/signer.ts';
import type { Target } from '../../targets/target.ts';
import { flip } from '../flip.ts';
import { commitIn, type Heads, readHeads } from '../heads.ts';
import { NO_LOG } from '../log/logged.ts';
import type { CheckedRef } from './check-commit.ts';
import { moveIn } from './move-in.ts';
import { notePush, readBook } from './push-book.ts';
import { requireQuota } from './push-quota.ts';
import { RECEIVE_FOLDER } from './staging.ts';

export interface Admission {
  readonly config: PusherConfig;
  /** The folder that holds `repo/`, and the same as a target. */
  readonly root: string;
  readonly target: Target;
  /** Durable. */
  readonly staging: string;
  readonly refs: readonly CheckedRef[];
  /** Size of the objects that were sent. */
  readonly bytes: number;
  readonly signer?: Signer;
  readonly pruneTo?: number;
}

/** The folder is this machine's own, and nobody but the receiver writes there: what it finds it made itself. */
const OWN_FOLDER: TargetSigning['trust'] = { vouches: async () => true };

/**
 * Makes a push that passed all checks part of the published repository, while no other push can: objects first, then each ref
 * with the summary, by compare-and-swap. Killed at any moment it leaves whole commits, and the next push ends the work.
 * @throws NightlyError `target-moved` when a ref is not what it was when the push began, naming who moved it and when.
 */
export async function admit(request: Admission, task: Task): Promise<void> {
  const { config, root, target, refs, staging, signer, bytes, pruneTo: depth } = request;
  const repo = join(root, 'repo');
  const free = await takeFlock(join(root, RECEIVE_FOLDER, 'lock'), task);
  try {
    // Another push of the same name may have been accepted meanwhile.
    await requireQuota(bytes, root, config);
    const heads: Heads[] = [];
    for (const one of refs) heads.push(await requireUnmoved(one, request, task));
    moveIn(refs, staging, repo);
    // Before a ref names them: after a power cut, too, the order must hold.
    await syncFileSystem(repo, task);
    for (const [index, { ref, from, commit }] of refs.entries()) {
      const epoch = heads[index]?.epoch;
      const plan = {
        version: 2,
        target: target.name,
        ref,
        from,
        to: commit,
        phases: [],
        epoch: epoch && textOf(epoch),
      } as const;
      // The first of them changes the summary, so what was read for the others holds no longer.
      await flip(
        plan,
        {
          repo,
          target,
          // The log belongs to whoever publishes; this account only keeps a repository.
          log: NO_LOG,
          ...(signer && { signing: { signer, trust: OWN_FOLDER } }),
          ...(index === 0 ? { heads: heads[0] } : {}),
        },
        task,
      );
    }
    const at = new Date().toISOString();
    const moved = refs.map(({ ref, from, commit }) => ({
      ref,
      ...(from === undefined ? {} : { old: from }),
      new: commit,
    }));
    await notePush(root, { name: config.name, at, refs: moved, bytes });
    if (depth !== undefined) {
      const { pruneTo } = await import('../prune/prune-to.ts');
      const older = refs.flatMap(({ ref, isTag }) => (isTag ? [] : [ref]));
      await pruneTo({ log: NO_LOG, target, refs: older, depth, repo, scratchDir: join(staging, '..') }, task);
    }
  } finally {
    await free();
  }
}

const textOf = (content: Uint8Array): string => new TextDecoder().decode(content);

/** A push that was accepted meanwhile, or a prune, may have changed what the checks found. */
async function requireUnmoved(
  { ref, from, commit, reliedOn }: CheckedRef,
  { root, target }: Admission,
  task: Task,
): Promise<Heads> {
  const heads = await readHeads(target, ref, task);
  const at = commitIn(heads.ref, ref, target);
  if (at !== from && at !== commit) {
    const by = (await readBook(root)).refs.find((known) => known.ref === ref);
    const who = by === undefined ? 'Somebody else' : `${by.name} (at ${by.at})`;
    throw new NightlyError('target-moved', `${who} moved ${ref} to ${at?.slice(0, 12) ?? 'nothing'} meanwhile.`, {
      hint: `Pull ${ref}, make a commit on top of it, and push that.`,
    });
  }
  const gone = reliedOn.find((path) => !existsSync(join(root, 'repo', path)));
  if (gone === undefined) return heads;
  throw new NightlyError('target-moved', `${gone}, which the push relied on, was removed meanwhile.`, {
    hint: 'Push again: it looks what is there now.',
  });
}
