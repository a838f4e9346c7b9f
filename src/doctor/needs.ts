import type { Config } from '../config/config.ts';
import { isSshDestination } from '../config/normalise.ts';
import type { Need } from './tools.ts';

/** What a configuration asks for; `auto` is settled by whether rpm-ostree is installed. */
export function needsOf(config: Config, rpmOstreeInstalled: boolean): Set<Need> {
  const needs = new Set<Need>(['base']);
  const { type } = config.engine;
  needs.add(type === 'dnf' || (type === 'auto' && !rpmOstreeInstalled) ? 'engine dnf' : 'engine rpm-ostree');
  for (const stream of Object.values(config.streams)) {
    if (stream.images.length > 0) needs.add('images');
    if (stream.smokeTest !== false) needs.add('smoke test');
    if (stream.seed.gpgKeys.length > 0) needs.add('seed signatures');
  }
  for (const target of Object.values(config.targets)) {
    if (target.type !== 'rsync') continue;
    needs.add('target rsync');
    if (isSshDestination(target.destination)) needs.add('target ssh');
  }
  return needs;
}

/** Everything, for a machine without a configuration. The lab is made of Debian packages: only asked for on Debian. */
export function allNeeds(rpmOstreeInstalled: boolean, debian: boolean): Set<Need> {
  return new Set<Need>([
    'base',
    'engine dnf',
    ...(rpmOstreeInstalled ? (['engine rpm-ostree'] as const) : []),
    'images',
    'smoke test',
    'target rsync',
    'target ssh',
    'seed signatures',
    ...(debian ? (['lab'] as const) : []),
  ]);
}
