import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withBoxVersion } from '../../../src/published/vagrant-catalogue.ts';
import { TEST_REF, testTree } from '../../support/ostree-repo.ts';
import { DAY, nightId, noon, pruneBed, retention } from '../../support/prune-bed.ts';

type Bed = Awaited<ReturnType<typeof pruneBed>>;

/** Nights with an image, a box and a log each, in the index and the catalogue. */
async function builds(bed: Bed, count: number): Promise<string[]> {
  const commits: string[] = [];
  let catalogue: ReturnType<typeof withBoxVersion> | undefined;
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) {
    commits.push(await bed.night(n, { ...testTree(10), night: String(n) }, commits.at(-1)));
    const id = nightId(n);
    ids.unshift(id);
    const folder = `builds/${id}/x86_64`;
    await bed.writeFar(`${folder}/images/disk.qcow2`, `disk of ${id}`);
    await bed.writeFar(`${folder}/images/disk.qcow2.intoto.jsonl`, 'statement');
    await bed.writeFar(`${folder}/logs/compose.log`, 'log');
    await bed.writeFar(`${folder}/meta.json`, {
      'ostree-commit': commits[n],
      'ostree-timestamp': new Date(noon(n) * 1000).toISOString(),
      images: {
        'generic-cloud': {
          ...{ path: 'images/disk.qcow2', size: 20 },
          'atomic-nightly.statement': { path: 'images/disk.qcow2.intoto.jsonl', size: 9 },
        },
      },
    });
    const url = `${bed.url}/${folder}/images/disk.qcow2`;
    const provider = { name: 'libvirt', url, checksum: 'a'.repeat(64), checksum_type: 'sha256' } as const;
    catalogue = withBoxVersion(catalogue, { name: 'box', description: 'x', buildId: id, providers: [provider] });
  }
  await bed.writeFar('vagrant/box.json', catalogue);
  await bed.writeFar('builds/builds.json', {
    'schema-version': '1.0.0',
    builds: ids.map((id) => ({ id, arches: ['x86_64'] })),
    timestamp: 'then',
  });
  return commits;
}

/** Whether a file of a build is there; the statement beside an image is there as long as the image. */
function there(bed: Bed, n: number, file: string): boolean {
  const path = join(bed.far, 'builds', nightId(n), 'x86_64', file);
  if (file.startsWith('images/')) expect(existsSync(`${path}.intoto.jsonl`)).toBe(existsSync(path));
  return existsSync(path);
}
const versions = async (bed: Bed): Promise<string[]> =>
  (await bed.readFar('vagrant/box.json')).versions.map(({ version }: { version: string }) => version);
const index = async (bed: Bed): Promise<string[]> =>
  (await bed.readFar('builds/builds.json')).builds.map(({ id }: { id: string }) => id);

it('removes images and logs by their ages, but for promoted and newest builds; records stay', async () => {
  const bed = await pruneBed();
  const commits = await builds(bed, 4);
  await bed.writeFar('builds/promoted.json', { commits: { [commits[1] ?? '']: { build: nightId(1) } } });
  const policy = { ...retention({ depth: 10 }), imagesSeconds: 2 * DAY, logsSeconds: 3 * DAY };
  await bed.prune(policy, noon(3) - 1);
  expect([0, 1, 2, 3].map((n) => there(bed, n, 'images/disk.qcow2'))).toEqual([false, true, true, true]);
  expect(there(bed, 0, 'logs/compose.log')).toBe(true);
  expect(await versions(bed)).toHaveLength(3);
  await bed.prune(policy, noon(20));
  expect([0, 1, 2, 3].map((n) => there(bed, n, 'images/disk.qcow2'))).toEqual([false, true, false, true]);
  expect([0, 1, 2, 3].map((n) => there(bed, n, 'logs/compose.log'))).toEqual([false, true, false, true]);
  expect([0, 1, 2, 3].map((n) => there(bed, n, 'meta.json'))).toEqual([true, true, true, true]);
  expect(await versions(bed)).toEqual(['20260104.1', '20260102.1']);
  // Their commits are still there.
  expect(await index(bed)).toHaveLength(4);
  const before = await bed.picture();
  await bed.prune(policy, noon(30));
  expect(await bed.picture()).toBe(before);
});

it('a build leaves the index with the last of its commit and its images, whichever goes later', async () => {
  const bed = await pruneBed();
  await builds(bed, 4);
  const last = nightId(3);
  // The commits go, the images stay for good: all are still named.
  await bed.prune(retention({ depth: 1 }), noon(5));
  await bed.prune(retention({ depth: 1 }), noon(8));
  expect(existsSync(join(bed.far, 'repo/refs/heads', TEST_REF))).toBe(true);
  expect(await index(bed)).toHaveLength(4);
  // Then images get an age.
  await bed.prune({ ...retention({ depth: 1 }), imagesSeconds: 2 * DAY }, noon(9));
  expect(await index(bed)).toEqual([last]);
  expect((await bed.readFar('builds/retired.json')).builds).toEqual({});
  expect(there(bed, 0, 'meta.json')).toBe(true);

  const other = await pruneBed();
  await builds(other, 4);
  // Here the images go first.
  const policy = { ...retention({ depth: 1 }), imagesSeconds: DAY };
  await other.prune(policy, noon(5));
  expect(there(other, 0, 'images/disk.qcow2')).toBe(false);
  expect(await index(other)).toHaveLength(4);
  await other.prune(policy, noon(8));
  expect(await index(other)).toEqual([last]);
  await other.fsck();
});

it('I8: stops at a catalogue or an index that is not ours, before any file goes', async () => {
  const bed = await pruneBed();
  await builds(bed, 3);
  const policy = { ...retention({ depth: 1 }), imagesSeconds: DAY };
  await bed.writeFar('vagrant/box.json', { name: 'foreign' });
  await expect(bed.prune(policy, noon(5))).rejects.toMatchObject({ code: 'unsupported' });
  expect(there(bed, 0, 'images/disk.qcow2')).toBe(true);
  await bed.writeFar('builds/builds.json', 'garbage');
  await expect(bed.prune(policy, noon(9))).rejects.toMatchObject({ code: 'unsupported' });
  expect(there(bed, 0, 'images/disk.qcow2')).toBe(true);
  expect(await readFile(join(bed.far, 'builds/builds.json'), 'utf8')).toBe('garbage');
});
