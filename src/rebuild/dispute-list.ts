import type { Dispute } from './dispute-record.ts';
import type { RebuildRecords } from './rebuild-records.ts';
import type { Verdict } from './verdicts.ts';

/** A dispute with what people said of it. */
export interface ListedDispute {
  readonly dispute: Dispute;
  /** Whether somebody has to look at it. */
  readonly open: boolean;
  /** Oldest first; the last one counts. */
  readonly verdicts: readonly Verdict[];
}

/** Returns all disputes, oldest first, but for those in which only what is known to differ does. */
export function listDisputes({ disputes, verdicts, judged }: RebuildRecords): ListedDispute[] {
  const open = new Set(judged.flatMap((one) => one.disputes));
  return disputes
    .filter(({ kind }) => kind !== 'explained')
    .map((dispute) => ({ dispute, open: open.has(dispute.id), verdicts: verdicts.get(dispute.id) ?? [] }));
}
