import { formatBytes, formatCount } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import type { RefPolicy } from '../../config/config.ts';
import type { PruneSigning } from '../../published/record-trust.ts';
import type { Target } from '../../targets/target.ts';
import type { LogGate } from '../log/logged.ts';
import { commitReader, readHistory } from './history.ts';
import { totalOf } from './prune-plan.ts';
import { readTargetState } from './prune-state.ts';
import { pruneTarget } from './prune-target.ts';

export interface PruneTo extends PruneSigning {
  /** Asked before anything goes. */
  readonly log: LogGate;
  readonly target: Target;
  readonly refs: readonly string[];
  /** Newest commits of each of them that stay. */
  readonly depth: number;
  /** A local repository with metadata of what is there; what is missing is fetched into it. */
  readonly repo: string;
  readonly scratchDir: string;
}

/**
 * Removes from a target all but the newest commits of some refs. A ref that names one of these commits, as a tag does, keeps
 * that one; any other ref keeps all it has, and so does a release. Without a grace period: who asks for it knows that no client
 * is about to fetch an older commit.
 * @throws NightlyError `locked`, `ostree` when it must stop (I8).
 */
export async function pruneTo(request: PruneTo, task: Task): Promise<void> {
  const { target, repo, scratchDir, signer, trust, log } = request;
  const retention = { refs: await policiesOf(request, task), graceSeconds: 0 };
  const now = Math.floor(Date.now() / 1000);
  const { plan } = await pruneTarget({ target, retention, repo, scratchDir, now, signer, trust, log }, task);
  const { files, bytes } = totalOf(plan.stages);
  const gone = plan.decision.goes.size;
  if (gone > 0)
    task.say(`${formatCount(gone, 'older commit')} removed: ${formatCount(files, 'file')}, ${formatBytes(bytes)}`);
}

async function policiesOf({ target, refs, depth, repo, trust }: PruneTo, task: Task): Promise<RefPolicy[]> {
  const { refs: all } = await readTargetState(target, { repo, trust, now: Date.now() / 1000 }, task);
  const read = commitReader(repo, target, task);
  const inLine = new Set<string>();
  for (const ref of refs) {
    for (const commit of all.get(ref) ?? []) {
      for (const { checksum } of (await readHistory(ref, commit, read, target)).commits) inLine.add(checksum);
    }
  }
  return [...all].map(([pattern, commits]) => {
    if (refs.includes(pattern)) return { pattern, depth };
    return { pattern, depth: commits.every((commit) => inLine.has(commit)) ? 1 : Number.MAX_SAFE_INTEGER };
  });
}
