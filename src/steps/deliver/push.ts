import { join } from 'node:path';
import { writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import type { DeltaRecord } from '../../ostree/delta-record.ts';
import { localObjects, parseCommit, readCommit, readRef } from '../../ostree/objects.ts';
import { verifyPublished } from '../../publish/fresh-client.ts';
import { openLogGate } from '../../publish/log/release-log.ts';
import { writePlan } from '../../publish/plan-file.ts';
import { publishCommit } from '../../publish/publish-commit.ts';
import type { Build } from '../../run/build.ts';
import type { Project } from '../../run/project.ts';
import type { Target } from '../../targets/target.ts';
import { targetsClock } from '../compose/clock.ts';
import { targetSigning } from './record-signing.ts';

/**
 * Sends a commit with its deltas to a target and moves its ref; running it again after a kill continues where it
 * stopped. The plan that was carried out stays with the build.
 */
export async function push(
  project: Project,
  build: Build,
  target: Target,
  { commit, deltas }: { readonly commit: string; readonly deltas: readonly DeltaRecord[] },
  task: Task,
): Promise<void> {
  const { repo, ref, config, signer } = project;
  await targetsClock(project.config, task.signal);
  const plan = await publishCommit(
    {
      repo,
      ref,
      commit,
      target,
      deltas: deltas.map(({ from }) => from),
      log: await openLogGate(config),
      notes: join(build.paths.scratch, `sent-${target.name}`),
      signing: signer && targetSigning({ config, signer }, target.name, task),
    },
    task,
  );
  await writePlan(join(build.paths.dir, 'publish', `${target.name}.json`), plan);
}

/** Pulls a ref as a fresh client over the public URL; only that makes a publish done (I6). */
export async function verify(
  project: Project,
  target: Target,
  { ref, commit }: { readonly ref: string; readonly commit: string },
  task: Task,
): Promise<void> {
  const { signer, stream, config } = project;
  await verifyPublished(
    {
      url: `${target.publicUrl}/repo`,
      ref,
      commit,
      gpgKeys: stream.seed.gpgKeys,
      signingKey: await signer?.clientKey(task),
      scratchDir: join(config.work, 'scratch'),
    },
    task,
  );
}

/**
 * Moves the local repo's ref once every target serves the commit: the local repo is the published one's twin. A ref
 * that names a later commit stays, as it does on the targets: images of an earlier build may be made again at any time.
 */
export async function moveLocalRef({ repo, ref }: Pick<Project, 'repo' | 'ref'>, commit: string): Promise<void> {
  const before = await readRef(repo, ref);
  const bytes = before === undefined ? undefined : await localObjects(repo)(before, 'commit');
  const next = await readCommit(repo, commit);
  if (before !== undefined && bytes && parseCommit(before, bytes).timestamp > next.timestamp) return;
  await writeFileAtomic(join(repo, 'refs/heads', ref), `${commit}\n`);
}
