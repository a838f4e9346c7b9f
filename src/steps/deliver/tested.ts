import type { Task } from '../../base/task.ts';
import { moveRef } from '../../publish/move-ref.ts';
import { updateRecord } from '../../publish/publish-files.ts';
import { TESTED_POINTER, testedPath } from '../../published/stream-files.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { Target } from '../../targets/target.ts';
import { targetsClock } from '../compose/clock.ts';
import { withNewest, withoutBuilds } from './newest-pointer.ts';
import { verify } from './push.ts';

/**
 * Tells everybody that a build's images came up: moves the stream's tested ref on a target, and the pointer beside it.
 * @throws NightlyError `verify`, `target-moved`, `locked`, `target-unreachable`.
 */
export async function markTested(
  project: Project,
  build: Build,
  target: Target,
  {
    commit,
    testedRef,
    gone = [],
  }: {
    readonly commit: string;
    readonly testedRef: string;
    /** Builds that were taken back: none is newer than this one. */
    readonly gone?: readonly string[];
  },
  task: Task,
): Promise<void> {
  const { repo, stream, signer } = project;
  await targetsClock(project.config, task.signal);
  const places = { repo, target, signer };
  if (!(await moveRef({ ...places, ref: testedRef, commit }, task))) return;
  await verify(project, target, { ref: testedRef, commit }, task);
  const entry = { build: build.id, commit, ref: testedRef };
  await updateRecord(
    { path: testedPath(stream.name), format: TESTED_POINTER },
    (old) => withNewest(withoutBuilds(old, gone), stream.name, stream.arch, entry),
    target,
    task,
    signer,
  );
}
