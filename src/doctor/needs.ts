import type { Config } from '../config/config.ts';
import { isFolderEngine } from '../config/engine.ts';
import { isSshDestination } from '../config/targets.ts';
import { formatOf } from '../images/formats.ts';
import { loadImageTemplate } from '../images/template/load-template.ts';
import { templateValues } from '../images/template/template-values.ts';
import { rpmOstreeCommand } from './check-host.ts';
import type { Need } from './check-tools.ts';

/**
 * Returns what a configuration asks for; `auto` is settled by whether rpm-ostree is installed.
 * @throws NightlyError `config` or `image` when an image type has faults
 */
export async function needsOf(config: Config, rpmOstreeInstalled: boolean): Promise<Set<Need>> {
  const needs = new Set<Need>(['base']);
  for (const stream of Object.values(config.streams)) {
    if (!isFolderEngine(stream.engine)) {
      needs.add(rpmOstreeCommand(stream.engine, rpmOstreeInstalled) ? 'engine rpm-ostree' : 'engine dnf');
    }
    const values = templateValues(config, stream, stream.ref ?? '', '00000000_00');
    for (const image of stream.images) {
      const template = await loadImageTemplate(image, config.imageTemplates, values);
      needs.add('images');
      if (formatOf(template).kind === 'installer') needs.add('installer ISO');
      else if (template.disk['root-filesystem'] === 'xfs') needs.add('images with XFS');
    }
    if (stream.smokeTest !== false || stream.tests) needs.add('smoke test');
    if (stream.seed.gpgKeys.length > 0) needs.add('seed signatures');
    if (stream.signing) needs.add('signing');
    if (stream.signing?.some(({ type }) => type === 'gpg-agent')) needs.add('signing with gpg');
    if (stream.release) needs.add('promotion');
    if (stream.releasePackage) needs.add('release package');
  }
  if (config.content) needs.add('content');
  if (config.koji?.keytab !== undefined) needs.add('login by Kerberos');
  if (config.builders) needs.add('rebuilds').add('engine dnf');
  for (const target of Object.values(config.targets)) {
    if (target.type === 'rsync') needs.add('target rsync');
    if (target.type === 'ssh') needs.add('target ssh with tar');
    if (target.type === 'ssh' || (target.type === 'rsync' && isSshDestination(target.destination))) {
      needs.add('target ssh');
    }
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
    'images with XFS',
    'installer ISO',
    'smoke test',
    'target rsync',
    'target ssh',
    'target ssh with tar',
    'push over ssh',
    'receive',
    'seed signatures',
    'rebuilds',
    'signing',
    'signing with gpg',
    'promotion',
    'release package',
    'content',
    ...(debian ? (['lab'] as const) : []),
  ]);
}
