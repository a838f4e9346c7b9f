import type { Task } from '../../base/task.ts';
import { wasTested } from '../../build/about-build.ts';
import { readTargetRef } from '../../publish/heads.ts';
import { openLogGate } from '../../publish/log/release-log.ts';
import { moveRef } from '../../publish/move-ref.ts';
import { updateRecord } from '../../publish/publish-files.ts';
import type { RecordSigning } from '../../published/record-trust.ts';
import { TESTED_POINTER, type TestedPointer, testedPath } from '../../published/stream-files.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { Target } from '../../targets/target.ts';
import { targetsClock } from '../compose/clock.ts';
import { withNewest, withoutBuilds } from './newest-pointer.ts';
import type { PublishedBuilds } from './published-builds.ts';
import { verify } from './push.ts';
import { type PointerPlace, recordSigning, targetSigning } from './record-signing.ts';

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
  const { config, repo, stream, signer } = project;
  await targetsClock(project.config, task.signal);
  const log = await openLogGate(config);
  const places = { repo, target, log, signing: signer && targetSigning({ config, signer }, target.name, task) };
  if (!(await moveRef({ ...places, ref: testedRef, commit }, task))) return;
  await verify(project, target, { ref: testedRef, commit }, task);
  const entry = { build: build.id, commit, ref: testedRef };
  await updateRecord(
    { path: testedPath(stream.name), format: TESTED_POINTER },
    (old) => withNewest(withoutBuilds(old, gone), stream.name, stream.arch, entry),
    target,
    task,
    testedSigning(project, target, task),
  );
}

/** Who signs it, and what it is made from: the record of the build whose commit the tested ref names. */
export function testedSigning(
  place: PointerPlace,
  target: Target,
  task: Task,
): RecordSigning<TestedPointer> | undefined {
  const { stream, testedRef } = place;
  const anew = async ({ there }: PublishedBuilds): Promise<TestedPointer | undefined> => {
    if (testedRef === undefined) return undefined;
    const commit = await readTargetRef(target, testedRef, task);
    const meta = there.find((one) => one.stream === stream.name && one.ostreeCommit === commit);
    const isTested = meta !== undefined && (wasTested(stream, meta) || meta.retraction !== undefined);
    if (commit === undefined || !isTested || meta.retracted !== undefined) return undefined;
    return withNewest(undefined, stream.name, meta.basearch, { build: meta.buildid, commit, ref: testedRef });
  };
  return recordSigning(place, target, anew, task);
}
