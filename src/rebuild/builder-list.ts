import { NightlyError } from '../base/errors.ts';
import {
  type BuilderCheck,
  type LedgerLine,
  lastCheck,
  levelIn,
  readLedger,
  recordedBuilders,
} from './builder-ledger.ts';
import type { BuilderLevel } from './builder-levels.ts';
import type { RebuildList } from './rebuild-list.ts';
import type { RebuildConfig } from './rebuild-records.ts';

/** A builder with all that is known of it. */
export interface ListedBuilder {
  readonly name: string;
  /** Undefined for one that the configuration has no more and that has no result. */
  readonly operator: string | undefined;
  /** Whether the configuration has it. */
  readonly configured: boolean;
  /** Undefined where its history is damaged: nobody knows then, and it gets no work. */
  readonly level: BuilderLevel | undefined;
  readonly lastCheck: BuilderCheck | undefined;
  /** Results of any kind, duplicates among them. */
  readonly jobs: number;
  /** Results that another operator has confirmed. */
  readonly confirmed: number;
  /** Disputes that it is or was a part of, and how many of them are open. */
  readonly disputes: number;
  readonly open: number;
  readonly history: readonly LedgerLine[];
  /** What of its records cannot be read. */
  readonly fault: string | undefined;
}

/** Returns all builders, those of the configuration first, as it has them. */
export async function listBuilders(
  { work, builders }: RebuildConfig,
  { results, disputes }: RebuildList,
): Promise<ListedBuilder[]> {
  const configured = builders.machines.map(({ name }) => name);
  const others = (await recordedBuilders(work)).filter((name) => !configured.includes(name));
  const operators = new Map(results.map((one) => [one.builder, one.operator]));
  for (const { name, operator } of builders.machines) operators.set(name, operator);
  return Promise.all(
    [...configured, ...others].map(async (name): Promise<ListedBuilder> => {
      const mine = results.filter(({ builder }) => builder === name);
      const parts = disputes.filter(({ one, other }) => [one.builder, other.builder].includes(name));
      const counts = {
        jobs: mine.length,
        confirmed: mine.filter((one) => one.operators.length > 1).length,
        disputes: parts.length,
        open: new Set(mine.flatMap((one) => one.disputes)).size,
      };
      const about = { name, operator: operators.get(name), configured: configured.includes(name), ...counts };
      try {
        const ledger = await readLedger(work, name);
        const check = await lastCheck(work, name);
        return { ...about, level: levelIn(ledger), lastCheck: check, history: ledger.history, fault: undefined };
      } catch (error) {
        // One record that is damaged hides no other builder (I15).
        if (!(error instanceof NightlyError)) throw error;
        return { ...about, level: undefined, lastCheck: undefined, history: [], fault: error.message };
      }
    }),
  );
}
