import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Task } from '../../src/base/task.ts';
import { createDnfEngine } from '../../src/engines/dnf/dnf-engine.ts';
import { buildImage } from '../../src/images/build-image.ts';
import type { ImageFile } from '../../src/images/image.ts';
import { makeBase } from '../../src/images/image-base.ts';
import { loadImageTemplate } from '../../src/images/template/load-template.ts';
import { initRepo } from '../../src/programs/ostree.ts';
import { readTreefile } from '../../src/treefile/read.ts';
import { testLab } from './test-lab.ts';

const TIMESTAMP = 1_790_000_000;

/** A commit of the whole lab, and an image of it. */
export interface LabImage {
  readonly commit: string;
  readonly version: string;
  readonly image: ImageFile;
}

/**
 * Builds the lab in a folder, composes it and makes an image of it; takes minutes.
 * @param imageType the text of an image type's image.yaml.
 * @param edit changes the lab's treefile.
 */
export async function labImage(
  dir: string,
  imageType: string,
  task: Task,
  edit: (treefile: string) => string = (text) => text,
): Promise<LabImage> {
  const version = '20260921_01';
  const scratchDir = join(dir, 'scratch');
  const types = join(dir, 'image-types');
  for (const folder of [scratchDir, join(types, 'cloud')]) await mkdir(folder, { recursive: true });
  const lab = await testLab(join(dir, 'lab'), 'http://127.0.0.1:8080', task);
  await writeFile(lab.treefile, edit(await readFile(lab.treefile, 'utf8')));
  const treefile = await readTreefile(lab.treefile, { basearch: 'x86_64' });
  const repo = join(dir, 'repo');
  await initRepo(repo, 'archive', task);
  const engine = await createDnfEngine();
  const cacheDir = join(dir, 'cache');
  const { lockfile, inputHash } = await engine.resolve({ treefile, cacheDir, repo }, task);
  const inputs = { treefile, lockfile, inputHash, cacheDir, scratchDir, repo, repoTimestamps: {}, metadata: {} };
  const ref = 'lab-atomic-host/x86_64/nightly';
  const { commit } = await engine.compose({ ...inputs, ref, version, timestamp: TIMESTAMP }, task);
  await writeFile(join(types, 'cloud/image.yaml'), imageType);
  const values = { product: 'lab', prefix: 'lab', version };
  const request = {
    ...{ repo, commit, ref, version, osName: 'lab', scratchDir, timestamp: TIMESTAMP, values },
    remote: { name: 'lab-atomic', url: 'http://127.0.0.1:8080/repo' },
    template: await loadImageTemplate('cloud', types, values),
    outputDir: join(dir, 'images'),
  };
  return { commit, version, image: await buildImage(request, () => makeBase(request, task), task) };
}
