import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { ifThere, sha256File } from '../base/files.ts';
import type { RebuiltPackage } from './result.ts';

/** Returns the folder of all that is known of rebuilds and of those who make them. */
export const rebuildFolder = (work: string): string => join(work, 'rebuild');

/** Returns the folder of what a job had as its result: the result, its draw, its statement. */
export const resultFolder = (work: string, job: string): string => join(rebuildFolder(work), 'results', job);

/**
 * Returns the file of a package that a job made: of several attempts, the one whose bytes the result names.
 * @throws NightlyError `package-missing` when there is none of these bytes.
 */
export async function packagePath(
  work: string,
  job: string,
  { file, sha256 }: Pick<RebuiltPackage, 'file' | 'sha256'>,
): Promise<string> {
  const folder = join(rebuildFolder(work), 'jobs', job);
  const attempts = ((await ifThere(readdir(folder))) ?? []).filter((name) => /^attempt-\d+$/.test(name)).sort();
  for (const attempt of attempts.toReversed()) {
    const path = join(folder, attempt, 'packages', file);
    if ((await ifThere(sha256File(path))) === sha256) return path;
  }
  throw new NightlyError('package-missing', `Job ${job} has no file ${file} of the SHA-256 ${sha256}.`, {
    hint: 'It was changed or removed since its result was taken: have the package rebuilt.',
  });
}
