import { checkAudit } from './audit.ts';
import type { Breach } from './breach.ts';
import { checkBuilders } from './builders.ts';
import { checkContent } from './content.ts';
import { checkLog } from './log.ts';
import { checkNotify } from './notify.ts';
import { checkRebuilders } from './rebuilders.ts';
import { checkStreams } from './stream-rules.ts';
import { checkTargets } from './targets.ts';

/** The parts of a configuration that passed the schema; rules look at these even when other parts have faults. */
export type Parts = Parameters<typeof checkTargets>[0] &
  Parameters<typeof checkStreams>[0] &
  Parameters<typeof checkLog>[0] &
  Parameters<typeof checkAudit>[0] &
  Parameters<typeof checkContent>[0] &
  Parameters<typeof checkBuilders>[0] &
  Parameters<typeof checkRebuilders>[0] & {
    /** Keyed by their place in the list. */
    readonly sinks: Parameters<typeof checkNotify>[0];
  };

/** Returns every broken rule: what depends on more than one value, or on the files named. */
export function checkRules(parts: Parts): Breach[] {
  return [
    ...checkTargets(parts),
    ...checkStreams(parts),
    ...checkLog(parts),
    ...checkAudit(parts),
    ...checkContent(parts),
    ...checkBuilders(parts),
    ...checkRebuilders(parts),
    ...checkNotify(parts.sinks, parts.streamNames),
  ];
}
