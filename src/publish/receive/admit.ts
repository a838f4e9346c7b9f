import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { objectPath } from '../../ostree/objects.ts';
import { takeFlock } from '../../programs/flock.ts';
import type { Signer } from '../../signing/signer.ts';
import type { Target } from '../../targets/target.ts';
import { applyPublish } from '../apply.ts';
import { commitIn, readHeads } from '../heads.ts';
import { pruneTo } from '../prune/prune-to.ts';
import { filePhase } from '../publish-phases.ts';
import type { PublishPlan } from '../publish-plan.ts';
import type { CheckedRef } from './check-commit.ts';
import { notePush, readBook } from './push-book.ts';
import { RECEIVE_FOLDER } from './staging.ts';

export interface Admission {
  readonly name: string;
  /** The folder that holds `repo/`, and the same as a target. */
  readonly root: string;
  readonly target: Target;
  readonly staging: string;
  readonly refs: readonly CheckedRef[];
  /** Of the objects that were sent. */
  readonly bytes: number;
  readonly signer?: Signer;
  readonly pruneTo?: number;
}

/**
 * Makes a push that passed all checks part of the published repository, while no other push can: objects first, then each ref
 * with the summary, by compare-and-swap. Killed at any moment it leaves whole commits, and the next push ends the work.
 * @throws NightlyError `target-moved` when a ref is not what it was when the push began, naming who moved it and when.
 */
export async function admit(request: Admission, task: Task): Promise<void> {
  const { root, target, refs, staging, signer, name, bytes, pruneTo: depth } = request;
  const free = await takeFlock(join(root, RECEIVE_FOLDER, 'lock'), task);
  try {
    for (const one of refs) await requireUnmoved(one, request, task);
    for (const [index, one] of refs.entries()) {
      const heads = await readHeads(target, one.ref, task);
      // Of a commit at two refs the second finds everything there.
      const fresh = refs.findIndex(({ commit }) => commit === one.commit) === index ? one.fresh : [];
      const plan = planOf(one, fresh, heads.epoch, request);
      await applyPublish(plan, { repo: staging, target, heads, ...(signer && { signer }) }, task);
    }
    const at = new Date().toISOString();
    const moved = refs.map(({ ref, from, commit }) => ({
      ref,
      ...(from === undefined ? {} : { old: from }),
      new: commit,
    }));
    await notePush(root, { name, at, refs: moved, bytes });
    if (depth !== undefined) {
      const older = refs.flatMap(({ ref, isTag }) => (isTag ? [] : [ref]));
      const places = { repo: join(root, 'repo'), scratchDir: join(staging, '..') };
      await pruneTo({ target, refs: older, depth, ...places }, task);
    }
  } finally {
    await free();
  }
}

/** A push that was accepted meanwhile, or a prune, may have changed what the checks found. */
async function requireUnmoved(
  { ref, from, commit, reliedOn }: CheckedRef,
  { root, target }: Admission,
  task: Task,
): Promise<void> {
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
  if (gone === undefined) return;
  throw new NightlyError('target-moved', `${gone}, which the push relied on, was removed meanwhile.`, {
    hint: 'Push again: it looks what is there now.',
  });
}

function planOf(
  { ref, from, commit }: CheckedRef,
  fresh: readonly string[],
  epoch: Uint8Array | undefined,
  { staging, target }: Admission,
): PublishPlan {
  const own = objectPath(commit, 'commit');
  const detached = [objectPath(commit, 'commitmeta')].filter((path) => existsSync(join(staging, path)));
  const objects = filePhase(
    'objects',
    staging,
    fresh.filter((path) => path !== own),
  );
  const last = filePhase('commit', staging, [...detached, ...fresh.filter((path) => path === own)]);
  return {
    version: 2,
    target: target.name,
    ref,
    to: commit,
    ...(from === undefined ? {} : { from }),
    ...(epoch === undefined ? {} : { epoch: new TextDecoder().decode(epoch) }),
    phases: [objects, last].filter(({ paths }) => paths.length > 0),
  };
}
