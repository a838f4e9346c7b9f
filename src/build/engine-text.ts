import type { BuildMeta } from './build-record.ts';

/** Returns what made a tree, with the version of the program underneath: for a tree that others made, that is ostree's. */
export function engineText(engine: BuildMeta['engine']): string | undefined {
  if (engine === undefined) return undefined;
  const { name, version } = engine;
  return name === 'checkout' || name === 'command' ? `${name}, committed by ostree ${version}` : `${name} ${version}`;
}
