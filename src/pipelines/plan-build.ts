import { asNightlyError } from '../base/as-nightly-error.ts';
import type { Task } from '../base/task.ts';
import type { StoredBuild } from '../build/build-store.ts';
import { totalOf } from '../publish/prune/prune-plan.ts';
import { planSize } from '../publish/publish-phases.ts';
import { type PublishPlan, planPublish } from '../publish/publish-plan.ts';
import type { Project } from '../run/project.ts';
import { pruneConfigured } from '../steps/deliver/prune-targets.ts';
import type { Target } from '../targets/target.ts';

/** What publishing a build's commit to one target would do. */
export type TargetPlan =
  | {
      readonly target: string;
      readonly ref: string;
      /** The commit the ref names there now; undefined when it has no such ref. */
      readonly from?: string | undefined;
      readonly to: string;
      /** What is sent, by phase, in this order. */
      readonly phases: readonly { readonly name: string; readonly files: number; readonly bytes: number }[];
      readonly files: number;
      readonly bytes: number;
      /** What the target's retention would remove now; undefined where it has none. */
      readonly deletions?: { readonly files: number; readonly bytes: number };
      /** Why the target's retention would remove nothing now, although the build would be published. */
      readonly 'prune-refused'?: string;
    }
  | { readonly target: string; readonly refused: string };

/** Plans a build's publish to each of the stream's targets. Nothing is sent; a target that would refuse it says why. */
export async function planBuildPublish(
  project: Project,
  { meta }: StoredBuild,
  commit: string,
  task: Task,
): Promise<readonly TargetPlan[]> {
  const { repo, ref, targets, config } = project;
  const deltas = (meta.deltas ?? []).map(({ from }) => from);
  const messageOf = (error: unknown): string => {
    task.signal.throwIfAborted();
    return asNightlyError(error).message;
  };
  const deletionsOn = async (target: Target): Promise<Partial<TargetPlan>> => {
    if (!config.targets[target.name]?.retention) return {};
    try {
      const { plan: prune } = await pruneConfigured(config, target, { dryRun: true }, task);
      return { deletions: totalOf(prune.stages) };
    } catch (error) {
      return { 'prune-refused': messageOf(error) };
    }
  };
  const one = async (target: Target): Promise<TargetPlan> => {
    try {
      const plan = shown(await planPublish({ repo, ref, commit, target, deltas }, task));
      return { ...plan, ...(await deletionsOn(target)) };
    } catch (error) {
      return { target: target.name, refused: messageOf(error) };
    }
  };
  return Promise.all(targets.map(one));
}

function shown(plan: PublishPlan): Exclude<TargetPlan, { refused: string }> {
  const { target, ref, from, to, phases } = plan;
  return {
    target,
    ref,
    from,
    to,
    phases: phases.map(({ name, paths, bytes }) => ({ name, files: paths.length, bytes })),
    ...planSize(plan),
  };
}
