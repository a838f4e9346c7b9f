import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { publishPages } from '../steps/deliver/publish-pages.ts';
import type { Target } from '../targets/target.ts';

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
  await runner.step(`pages-${target.name}`, inputs, (task) => publishPages(project, [of].flat(), target, task));
}
