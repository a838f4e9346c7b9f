import { join } from 'node:path';
import type { Config, TargetConfig } from '../config/config.ts';
import { signaturesIn } from '../ostree/signatures.ts';
import { updateJson } from '../publish/files.ts';
import { setRef } from '../publish/move-ref.ts';
import type { ReconcilePlan } from '../publish/reconcile/plan.ts';
import { planReconcile, type ReconcileRepairs, reconcileTarget } from '../publish/reconcile/reconcile.ts';
import { streamSigners } from '../run/project.ts';
import { streamsOn } from '../run/streams-on.ts';
import { isSignedByAll } from '../signing/check.ts';
import { jointSigner, type Signer } from '../signing/signer.ts';
import { openTarget } from '../targets/open.ts';
import type { Target } from '../targets/target.ts';
import type { Task } from '../tools/task.ts';
import { type BuildIndex, INDEX_PATH, withBuilds } from './publish-build.ts';
import { signAgainHere, signPointersAgain } from './sign-again.ts';

/**
 * Compares a target with the work folder, and gives back to it what is lost or damaged there. Signatures of a key that has
 * come since are added.
 * @returns the plan, carried out unless it was a dry run
 * @throws NightlyError `locked` while somebody prunes there, and what a publish to it throws.
 */
export async function reconcile(
  config: Config,
  targetConfig: TargetConfig,
  { dryRun, checksums }: { readonly dryRun: boolean; readonly checksums: boolean },
  task: Task,
): Promise<ReconcilePlan> {
  const target = openTarget(targetConfig);
  const repo = join(config.work, 'repo');
  const streams = await streamsOn(config, target.name);
  const signers = streams.map(({ stream }) => streamSigners(config, stream)).filter((keys) => keys.length > 0);
  const signer = signers[0] && jointSigner(signers[0]);
  const imagesSeconds = targetConfig.retention?.imagesSeconds;
  const request = {
    ...{ repo, target, checksums },
    refs: streams.flatMap(({ ref, testedRef }) => (testedRef === undefined ? [ref] : [ref, testedRef])),
    streams: streams.map(({ stream }) => stream.name),
    signed: signer !== undefined,
    isSigned: async (summary: Uint8Array, signature: Uint8Array) => {
      const packets = signaturesIn(signature);
      for (const keys of signers) if (await isSignedByAll(keys, summary, packets, task)) return true;
      return false;
    },
    ...(imagesSeconds === undefined ? {} : { imagesSeconds }),
  };
  if (dryRun) return planReconcile(request, task);
  for (const one of signers.flat()) await one.check(task);
  await signAgainHere(config, streams, task);
  const plan = await reconcileTarget(request, repairs({ repo, target, signer }, task), task);
  if (signer) await signPointersAgain(streams, { target, signer }, task);
  return plan;
}

function repairs(
  places: {
    readonly repo: string;
    readonly target: Target;
    readonly signer: Signer | undefined;
  },
  task: Task,
): ReconcileRepairs {
  const { repo, target, signer } = places;
  return {
    flip: (ref, commit) => setRef({ repo, target, ref, commit, ...(signer === undefined ? {} : { signer }) }, task),
    index: (builds) => updateJson<BuildIndex>(INDEX_PATH, (old) => withBuilds(old, builds), target, task, signer),
  };
}
