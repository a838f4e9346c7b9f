import { utimes } from 'node:fs/promises';
import { readRpmStart } from './rpm-signature.ts';

/**
 * Gives an RPM file the time at which its package was built: metadata of a repository has the time of each file, and the same
 * packages are to have the same metadata. Of one that does not say, the time is 0.
 * @throws NightlyError `verify` for a file that is not an RPM.
 */
export async function setBuildTime(path: string): Promise<void> {
  const { buildTime } = await readRpmStart(path);
  await utimes(path, buildTime, buildTime);
}
