import type { StreamNeeds } from '../build/next-commands.ts';
import type { Config } from '../config/config.ts';

/** Returns what a configuration asks of the builds of a stream; nothing of one that it does not have. */
export function streamNeeds({ streams }: Pick<Config, 'streams'>, name: string): StreamNeeds {
  const stream = Object.hasOwn(streams, name) ? streams[name] : undefined;
  return {
    approvalsNeeded: stream?.release?.approvals ?? 0,
    rebuildsNeeded: stream?.release?.rebuilds ?? 0,
    promotable: Object.values(streams).some(({ release }) => release?.promotesFrom === name),
    releasable: stream?.release?.to !== undefined,
  };
}
