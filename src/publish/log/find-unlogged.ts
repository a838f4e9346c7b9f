import { sha256 } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { RECORD_FILE, SUMS } from '../../build/build-files.ts';
import { isBuildFolder } from '../../build/record-values.ts';
import type { Target } from '../../targets/target.ts';
import { summaryRefs } from '../summary.ts';
import type { LogContents } from './log-contents.ts';

/** Something on a target that its log does not say. */
export interface Unlogged {
  /** A ref, or a path relative to the target's root. */
  readonly what: string;
  /** The reason, as a part of a sentence that begins with the path. */
  readonly why: string;
}

/**
 * Whether a path below `builds/` is that of a file which the log vouches for: not pages, and not the journal and logs of a build,
 * which grow with each attempt and only tell how it went.
 */
export function isVouchedPath(path: string): boolean {
  const [, id, arch, ...rest] = path.split('/');
  if (!isBuildFolder(`${id}/${arch}`) || rest.length === 0) return false;
  return !/^(journal\.ndjson|(index|review)\.html|logs\/)/.test(rest.join('/'));
}

/**
 * Finds what is visible on a target and not in its log: refs, and files of builds by name and size; the records, which change, by
 * their content.
 */
export async function findUnlogged(target: Target, log: LogContents, task: Task): Promise<Unlogged[]> {
  const found: Unlogged[] = [];
  const summary = await target.read('repo/summary', task);
  for (const [ref, commit] of summary ? summaryRefs(summary) : []) {
    if (!log.refs.get(ref)?.has(commit))
      found.push({ what: ref, why: `names the commit ${commit}, which is not logged` });
  }
  const records: string[] = [];
  for await (const { path, bytes } of target.list('builds', task)) {
    if (!isVouchedPath(path)) continue;
    const logged = log.files.get(path);
    if (logged === undefined) found.push({ what: path, why: 'is not logged' });
    else if (logged.size !== bytes)
      found.push({ what: path, why: `has ${bytes} bytes, and ${logged.size} in the log` });
    else if ([SUMS, RECORD_FILE].some((name) => path.endsWith(`/${name}`))) records.push(path);
  }
  const contents = await target.readMany(records, task);
  for (const [index, path] of records.entries()) {
    const content = contents[index];
    const digest = content && sha256(content);
    if (digest !== log.files.get(path)?.sha256) found.push({ what: path, why: 'has another content than in the log' });
  }
  return found;
}
