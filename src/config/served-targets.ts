import type { Config, DirectoryTargetConfig } from './config.ts';

/** Returns the targets that this program is the web server of. */
export function servedTargets({ targets }: Pick<Config, 'targets'>): DirectoryTargetConfig[] {
  const folders = Object.values(targets).filter((target) => target.type === 'directory');
  return folders.filter(({ serve }) => serve !== undefined);
}
