import type { Config } from '../../config/config.ts';
import { listBuilders } from '../../rebuild/builder-list.ts';
import { listDisputes } from '../../rebuild/dispute-list.ts';
import { drawDays } from '../../rebuild/draw-secrets.ts';
import { readRebuildList } from '../../rebuild/rebuild-list.ts';
import { type RebuildConfig, readRebuildRecords } from '../../rebuild/rebuild-records.ts';
import { brandOf } from '../../reports/pages/brand.ts';
import { buildersPage, disputePage } from '../../reports/pages/rebuild-pages.ts';

/** Returns a configuration whose builders have pages: verdicts and statements can be verified. */
export function withBuilders(config: Config): (Config & RebuildConfig) | undefined {
  const { builders } = config;
  return builders?.statement === undefined ? undefined : { ...config, builders };
}

/** Returns the page of builders, disputes and draws. */
export async function allBuilders(config: RebuildConfig) {
  const list = await readRebuildList(config);
  return buildersPage({
    product: brandOf(config).name,
    builders: await listBuilders(config, list),
    disputes: list.disputes,
    days: await drawDays(config.work),
    faults: list.faults.map(({ message }) => message),
  });
}

/** Returns the page of a dispute; undefined when there is none of that id. */
export async function oneDispute(config: RebuildConfig, id: string) {
  const found = listDisputes(await readRebuildRecords(config)).find(({ dispute }) => dispute.id === id);
  return found && disputePage(brandOf(config).name, found);
}
