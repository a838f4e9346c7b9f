import { join } from 'node:path';
import { applyPublish } from '../publish/apply.ts';
import { planPublish } from '../publish/plan.ts';
import { verifyPublished } from '../publish/verify.ts';
import type { Project } from '../run/project.ts';
import type { Target } from '../targets/target.ts';
import { writeFileAtomic } from '../tools/files.ts';
import type { Task } from '../tools/task.ts';

/** Sends a commit to a target and moves its ref; running it again after a kill goes on where it stopped. */
export async function push(project: Project, target: Target, commit: string, task: Task): Promise<void> {
  const plan = await planPublish({ repo: project.repo, ref: project.ref, commit, target }, task);
  await applyPublish(plan, { repo: project.repo, target }, task);
}

/** Pulls the commit as a fresh client over the public URL; only that makes a publish done (I6). */
export async function verify(project: Project, target: Target, commit: string, task: Task): Promise<void> {
  const { gpgKeys } = project.stream.seed;
  await verifyPublished(
    {
      url: `${target.publicUrl}/repo`,
      ref: project.ref,
      commit,
      gpgKeys,
      scratchDir: join(project.config.work, 'scratch'),
    },
    task,
  );
}

/** Moves the local repo's ref once every target serves the commit: the local repo is the published one's twin. */
export async function moveLocalRef(project: Project, commit: string): Promise<void> {
  await writeFileAtomic(join(project.repo, 'refs/heads', project.ref), `${commit}\n`);
}
