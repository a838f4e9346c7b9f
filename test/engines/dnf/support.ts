import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDnfEngine } from '../../../src/engines/dnf/dnf-engine.ts';
import type { Composed, ComposeRequest } from '../../../src/engines/engine.ts';
import { run } from '../../../src/programs/exec.ts';
import { initRepo } from '../../../src/programs/ostree.ts';
import type { Lockfile } from '../../../src/rpm/lockfile.ts';
import { readTreefile } from '../../../src/treefile/read.ts';
import { readRepositories } from '../../../src/treefile/treefile-repos.ts';
import type { MiniDistro } from '../../support/mini-distro.ts';
import { testTask } from '../../support/tmp.ts';

/** A place to compose in: cache, scratch folder and archive repo below one folder. */
export interface Place {
  readonly dir: string;
  readonly repo: string;
  readonly task: ReturnType<typeof testTask>;
}

export async function makePlace(): Promise<Place> {
  const dir = mkdtempSync(join(tmpdir(), 'atomic-nightly-test-'));
  for (const name of ['cache', 'scratch']) mkdirSync(join(dir, name));
  const task = testTask(dir);
  await initRepo(join(dir, 'repo'), 'archive', task);
  // A test need not survive a power cut.
  await ostree('config', `--repo=${join(dir, 'repo')}`, 'set', 'core.fsync', 'false');
  return { dir, repo: join(dir, 'repo'), task };
}

/** Resolves, and composes what was found. */
export async function composeMini(
  distro: MiniDistro,
  place: Place,
  changes: Partial<ComposeRequest> & { readonly lockfile?: Lockfile } = {},
): Promise<Composed> {
  const engine = await createDnfEngine();
  const treefile = await readTreefile(distro.treefile, { basearch: 'x86_64' });
  engine.check(treefile);
  const { task, repo } = place;
  const cacheDir = join(place.dir, 'cache');
  const states = await readRepositories(treefile, task);
  const { lockfile, inputHash } = await engine.resolve(
    { treefile, cacheDir, repo, ...(changes.lockfile ? { lockfile: changes.lockfile } : {}) },
    task,
  );
  return engine.compose(
    {
      treefile,
      lockfile,
      inputHash,
      cacheDir,
      scratchDir: join(place.dir, 'scratch'),
      repo,
      ref: 'mini/x86_64/nightly',
      version: '20261121_01',
      timestamp: 1_795_000_000,
      repoTimestamps: Object.fromEntries(states.map(({ id, generated }) => [id, generated])),
      metadata: {},
      ...changes,
    },
    task,
  );
}

export async function ostree(...args: readonly string[]): Promise<string> {
  return (await run('ostree', args)).stdout;
}
