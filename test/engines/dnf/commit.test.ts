import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { commitToCache, publishCommit } from '../../../src/engines/dnf/commit.ts';
import { readCommit } from '../../../src/ostree/objects.ts';
import { readTreefile } from '../../../src/treefile/read.ts';
import { makePlace, ostree } from './support.ts';

it('records any number of packages in a commit', async () => {
  const place = await makePlace();
  try {
    const root = join(place.dir, 'root');
    mkdirSync(join(root, 'usr'), { recursive: true });
    const treefile = join(place.dir, 'tree.yaml');
    writeFileSync(treefile, 'ref: a/b\nselinux: false\npackages: [a]\nrepos: [x]\n');
    const request = {
      treefile: await readTreefile(treefile, { basearch: 'x86_64' }),
      lockfile: { packages: {} },
      inputHash: 'a'.repeat(64),
      cacheDir: join(place.dir, 'cache'),
      scratchDir: join(place.dir, 'scratch'),
      repo: place.repo,
      ref: 'a/b',
      version: '20261121_01',
      timestamp: 1_795_000_000,
      repoTimestamps: { x: 1_795_000_000 },
      metadata: {},
    };
    const packages = Array.from({ length: 20_000 }, (_, index) => ({
      name: `package-with-a-name-${String(index).padStart(6, '0')}`,
      epoch: '0',
      version: '1.2.3',
      release: '4.el9',
      arch: 'x86_64',
    }));
    const commit = await commitToCache(request, { root, kver: undefined, packages, advisories: [] }, place.task);
    await publishCommit(request, commit, [], place.task);
    const read = await readCommit(place.repo, commit);
    expect(read.packages).toEqual(packages);
    expect(read.repoTimestamps).toEqual({ x: 1_795_000_000 });
    await ostree('fsck', `--repo=${place.repo}`, '--quiet');
  } finally {
    rmSync(place.dir, { recursive: true, force: true });
  }
});
