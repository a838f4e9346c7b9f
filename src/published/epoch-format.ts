import { z } from 'zod';
import { type RecordFormat, recordFormat } from '../base/read-record.ts';
import { count, instant } from '../build/record-values.ts';

/** `prune.json` of a target: publish/epoch.ts says what it is for. */
export interface PruneEpoch {
  /** Counts the prunes that have deleted something. */
  readonly epoch: number;
  /** Who is deleting right now. */
  readonly deleting?: {
    readonly token: string;
    readonly host: string;
    /** Id of the running kernel's boot, so that a reboot counts as the end of the process. */
    readonly boot?: string;
    /** Ids of the machine and of the PID namespace: a process number means nothing in another one. */
    readonly machine?: string;
    readonly pids?: string;
    readonly pid: number;
    /** RFC 3339, UTC. */
    readonly since: string;
  };
}

const text = z.string();

export const PRUNE_EPOCH: RecordFormat<PruneEpoch> = recordFormat({
  schema: z.looseObject({
    epoch: count,
    deleting: z
      .looseObject({
        token: text,
        host: text,
        boot: text.exactOptional(),
        machine: text.exactOptional(),
        pids: text.exactOptional(),
        pid: count,
        since: instant,
      })
      .exactOptional(),
  }),
  hint: 'Find out who wrote it and whether somebody prunes there right now. Once nobody does, move it away.',
});
