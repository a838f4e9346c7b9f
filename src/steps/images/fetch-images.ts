import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder, sha256File, syncFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import type { StoredBuild } from '../../build/build-store.ts';
import { buildFolder } from '../../published/paths.ts';
import { fetchFile } from '../../rpm/download.ts';
import { reopenBuild } from '../../run/build.ts';
import type { Target } from '../../targets/target.ts';
import { readSums } from '../deliver/publish-build.ts';

/**
 * Fetches the images of a build whose records were fetched: each gets its name once it is what the record and SHA256SUMS say, whose
 * signatures were checked with them. What is there already, whole, is not fetched again.
 * @returns the paths of images that were fetched, relative to the build's folder
 * @throws NightlyError `verify` when one is not what was recorded, `target-unreachable`
 */
export async function fetchImages(stored: StoredBuild, target: Target, task: Task): Promise<string[]> {
  const { paths, meta } = stored;
  const images = Object.values(meta.images ?? {});
  const sums = new Map((await readSums(reopenBuild(stored))).map(({ path, sha256 }) => [path, sha256]));
  const fetched: string[] = [];
  await makeFolder(paths.images);
  for (const [index, { path, sha256 }] of images.entries()) {
    task.say(`${index + 1} of ${images.length}: ${path}`);
    const to = join(paths.dir, path);
    if (existsSync(to) && (await sha256File(to)) === sha256) continue;
    const aside = join(paths.images, `.${basename(path)}.part`);
    await rm(aside, { force: true });
    const url = `${target.publicUrl}/${buildFolder(meta.buildid, meta.basearch)}/${path}`;
    await fetchFile(url, aside, task).catch((error: unknown) => {
      task.signal.throwIfAborted();
      const why = error instanceof Error ? error.message : String(error);
      throw new NightlyError('target-unreachable', `${url} cannot be fetched: ${why}.`, { cause: error });
    });
    if (sums.get(path) !== sha256 || (await sha256File(aside)) !== sha256) {
      await rm(aside);
      throw new NightlyError('verify', `${url} is not what the record of build ${meta.buildid} says.`, {
        hint: `"atomic-nightly verify ${target.name}" lists all faults there.`,
      });
    }
    await rename(aside, to);
    fetched.push(path);
  }
  await syncFolder(paths.images);
  return fetched;
}
