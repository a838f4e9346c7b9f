import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { publishPages } from '../steps/deliver/publish-pages.ts';
import type { Target } from '../targets/target.ts';
import { reviewPages } from './review-pages.ts';

/**
 * The step that puts pages on a target, for those that get any.
 * @param of the builds that the pages are about; their own pages are made again
 * @param inputs what has changed since the pages were made
 */
export async function putPages(
  project: Project,
  { of, inputs }: { readonly of: string | readonly string[]; readonly inputs: unknown },
  target: Target,
  runner: Runner,
): Promise<void> {
  if (project.config.targets[target.name]?.pages === false) return;
  const again = [of].flat();
  await runner.step(`pages-${target.name}`, inputs, async (task) =>
    publishPages(project, { again, reviews: await reviewPages(project, again, task) }, target, task),
  );
}
