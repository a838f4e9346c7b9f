import type { Task } from '../../base/task.ts';
import type { Target, TargetFile } from '../../targets/target.ts';

/**
 * Files of static deltas. A delta is the folder `deltas/AB/REST` with `ABREST` either `TO` or `FROM-TO`, and the list of
 * deltas to a commit is `delta-indexes/AB/REST.index`; commits in base64 with `_` for `/` and without `=`
 * (`_ostree_get_relative_static_delta_path` in ostree-core.c).
 */
export const DELTA_FOLDERS = ['deltas', 'delta-indexes'] as const;

/**
 * Returns the commit that a file of a static delta leads to, in hex; undefined for any other file. Path relative to the
 * repo.
 */
export function deltaLeadsTo(path: string): string | undefined {
  const name = /^(?:deltas\/(..)\/([^/]+)\/[^/]+|delta-indexes\/(..)\/([^/]+)\.index)$/.exec(path);
  if (!name) return undefined;
  const [, a = '', b = '', c = '', d = ''] = name;
  const to = `${a}${b}${c}${d}`.split('-').at(-1) ?? '';
  return /^[\w+]{43}$/.test(to) ? Buffer.from(to.replaceAll('_', '/'), 'base64').toString('hex') : undefined;
}

/**
 * Files of the static deltas that lead to one of these commits, and the lists of them; lists first. A delta *from* a
 * commit to go stays as long as the commit it leads to: a host on the old one still upgrades by it.
 */
export async function deltasTo(
  commits: ReadonlySet<string>,
  target: Target,
  task: Task,
): Promise<{ lists: TargetFile[]; parts: TargetFile[] }> {
  const found = { lists: [] as TargetFile[], parts: [] as TargetFile[] };
  for (const folder of DELTA_FOLDERS) {
    for await (const file of target.list(`repo/${folder}`, task)) {
      const to = deltaLeadsTo(file.path.slice('repo/'.length));
      if (to === undefined || !commits.has(to)) continue;
      if (folder === 'deltas') found.parts.push(file);
      else found.lists.push(file);
    }
  }
  return found;
}
