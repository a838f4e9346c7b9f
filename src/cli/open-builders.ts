import { NightlyError } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import type { OpenBuilders } from '../pipelines/rebuild.ts';
import type { RebuildConfig } from '../rebuild/rebuild-records.ts';

/** Reads a configuration that has builders. @throws NightlyError `config` */
export async function loadBuilders(path: string): Promise<OpenBuilders> {
  const config = await loadConfig(path);
  const { builders } = config;
  if (builders) return { config, builders };
  throw new NightlyError('config', `${config.path} has no builders.`, {
    hint: 'Add the block "builders": docs/rebuilds.md.',
  });
}

/** Reads a configuration for what is on record about its builders. @throws NightlyError `config` */
export async function loadRebuilds(path: string): Promise<Config & RebuildConfig> {
  const { config, builders } = await loadBuilders(path);
  return { ...config, builders };
}
