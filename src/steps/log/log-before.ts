import type { Task } from '../../base/task.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import type { Config } from '../../config/config.ts';
import { openLogGate } from '../../publish/log/release-log.ts';
import { formatEntry, type LogEntry } from '../../published/log-entry.ts';
import type { Target } from '../../targets/target.ts';

/** Logs what is about to become visible on a target; does nothing where no log is kept (I17). */
export async function logBefore(
  config: Config,
  entries: readonly LogEntry[],
  target: Target,
  task: Task,
): Promise<void> {
  if (config.log !== undefined) await (await openLogGate(config)).before(entries.map(formatEntry), target, task);
}

/** What the log has of a reason that somebody typed: a line that fits. */
const lineOf = (reason: string): string => reason.replaceAll(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, 1000);

/** Returns what the log says of a release. */
export function releaseEntry(
  meta: BuildMeta,
  { at, previous }: { at: string; previous: string | undefined },
): LogEntry[] {
  const { promotion, ostreeCommit: commit } = meta;
  if (!promotion || commit === undefined) return [];
  return [
    {
      kind: 'release',
      stream: meta.stream,
      id: meta.buildid,
      arch: meta.basearch,
      ref: meta.ref,
      commit,
      of: { id: promotion.of, commit: promotion.commit },
      ...(previous !== undefined && { previous }),
      at: Math.floor(Date.parse(at) / 1000),
    },
  ];
}

/** Returns what the log says of builds that are taken back. */
export function withdrawEntry(
  { name: stream, arch }: { readonly name: string; readonly arch: string },
  taken: {
    readonly ids: readonly string[];
    readonly by: string;
    readonly commit: string;
    readonly previous: string;
    readonly reason: string;
  },
): LogEntry {
  return { kind: 'withdraw', stream, arch, ...taken, ids: [...taken.ids], reason: lineOf(taken.reason) };
}
