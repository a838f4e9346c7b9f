import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testTree } from '../../support/ostree-repo.ts';
import { DAY, nightId, noon, pruneBed, retention } from '../../support/prune-bed.ts';

it('the signature of an image goes with it; those of the records stay', async () => {
  const bed = await pruneBed();
  const commits: string[] = [];
  for (const n of [0, 1]) {
    commits.push(await bed.night(n, { ...testTree(5), night: String(n) }, commits.at(-1)));
    const folder = `builds/${nightId(n)}/x86_64`;
    for (const file of ['images/disk.qcow2', 'images/disk.qcow2.asc', 'meta.json.asc']) {
      await bed.writeFar(`${folder}/${file}`, `${file} of ${n}`);
    }
    await bed.writeFar(`${folder}/meta.json`, {
      'ostree-commit': commits[n],
      'ostree-timestamp': new Date(noon(n) * 1000).toISOString(),
      images: { 'generic-cloud': { path: 'images/disk.qcow2', size: 22 } },
      'atomic-nightly.signed-by': ['0123456789ABCDEF0123456789ABCDEF01234567'],
    });
  }
  const builds = [1, 0].map((n) => ({ id: nightId(n), arches: ['x86_64'] }));
  await bed.writeFar('builds/builds.json', { 'schema-version': '1.0.0', builds, timestamp: 'then' });
  await bed.prune({ ...retention({ depth: 10 }), imagesSeconds: 2 * DAY }, noon(3) - 1);
  const left = async (n: number, folder: string) =>
    (await readdir(join(bed.far, 'builds', nightId(n), 'x86_64', folder))).sort();
  expect(await left(0, 'images')).toEqual([]);
  expect(await left(1, 'images')).toEqual(['disk.qcow2', 'disk.qcow2.asc']);
  expect(await left(0, '.')).toEqual(['images', 'meta.json', 'meta.json.asc']);
});
